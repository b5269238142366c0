/* Every call of signals, threads and processes with hostile arguments: each must come back, or kill the guest alone. */
#define _GNU_SOURCE
#include <stdio.h>
#include <errno.h>
#include <unistd.h>
#include <stdint.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/mman.h>
#include <sys/wait.h>

static const int calls[]={SYS_kill,SYS_tkill,SYS_tgkill,SYS_sigaltstack,SYS_rt_sigaction,SYS_rt_sigprocmask,SYS_rt_sigpending,SYS_rt_sigqueueinfo,SYS_rt_tgsigqueueinfo,SYS_setpgid,SYS_getpgid,SYS_getsid,SYS_prctl,SYS_getitimer,SYS_setitimer,SYS_timer_create,SYS_timer_settime,SYS_timer_gettime,SYS_timer_getoverrun,SYS_timer_delete,SYS_futex,SYS_set_robust_list,SYS_get_robust_list,SYS_futex_waitv,SYS_wait4,SYS_waitid,SYS_pidfd_open,SYS_pidfd_send_signal,SYS_pidfd_getfd,SYS_membarrier,SYS_clone,SYS_clone3,SYS_execve,SYS_execveat,SYS_msgget,SYS_msgsnd,SYS_msgrcv,SYS_msgctl,SYS_semget,SYS_semop,SYS_semtimedop,SYS_semctl,SYS_getpriority,SYS_setpriority,SYS_set_tid_address,SYS_rt_sigtimedwait};
static void no(int s){}
int main(int c,char**v){ srand(atoi(v[1])); long vals[]={0,1,-1,2,8,16,64,4095,4096,0x7fffffff,0x80000000L,0xffffffffL,-4096,1L<<47,1L<<48,1L<<55,1L<<63,0x7fffffffffffffffL,(long)malloc(4096),(long)&c,(long)main};
 for(int i=0;i<=64;i++) if(i!=SIGKILL&&i!=SIGSTOP) signal(i,SIG_IGN);
 int n=sizeof calls/sizeof*calls, nv=sizeof vals/sizeof*vals; setsid();
 for(int i=0;i<1500;i++){ int k=calls[rand()%n]; long a[6]; for(int j=0;j<6;j++) a[j]=vals[rand()%nv];
  if(k==SYS_kill||k==SYS_tkill||k==SYS_tgkill||k==SYS_rt_sigqueueinfo||k==SYS_pidfd_send_signal||k==SYS_rt_tgsigqueueinfo){ for(int j=0;j<4;j++) if(a[j]==9||a[j]==19) a[j]=0; }
  if(k==SYS_futex) a[3]=a[3]?a[3]:vals[18]; if(k==SYS_wait4) a[2]|=1; if(k==SYS_waitid) a[3]|=1; if(k==SYS_rt_sigtimedwait||k==SYS_msgrcv||k==SYS_msgsnd||k==SYS_semop||k==SYS_semtimedop||k==SYS_futex_waitv) continue;
  if(k==SYS_clone||k==SYS_clone3){ a[0]=k==SYS_clone? (a[0]&~0x41ffL)|17 : 8; }
  struct sigaction al={.sa_handler=no}; sigaction(SIGALRM,&al,0); sigset_t em; sigemptyset(&em); sigprocmask(SIG_SETMASK,&em,0); ualarm(20000,20000); errno=0; int me=getpid(); long r=syscall(k,a[0],a[1],a[2],a[3],a[4],a[5]); if(getpid()!=me) _exit(0); ualarm(0,0); }
 printf("survived\n"); fflush(stdout); _exit(0); /* the calls may have written into what libc needs to end */ }
