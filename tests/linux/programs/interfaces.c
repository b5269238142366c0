/* The loopback interface as ioctl(2) tells of it; the host and the guest must print the same. */
#include <arpa/inet.h>
#include <net/if.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

int main(void) {
    struct ifreq r;
    struct ifconf list = {0};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&r, 0, sizeof r);
    strcpy(r.ifr_name, "lo");
    printf("%d %d\n", ioctl(fd, SIOCGIFINDEX, &r), r.ifr_ifindex);
    printf("%d %d\n", ioctl(fd, SIOCGIFFLAGS, &r), r.ifr_flags & IFF_LOOPBACK);
    printf("%d %d\n", ioctl(fd, SIOCGIFMTU, &r), r.ifr_mtu);
    printf("%d %d\n", ioctl(fd, SIOCGIFHWADDR, &r), r.ifr_hwaddr.sa_family);
    r.ifr_ifindex = 1;
    printf("%d %s\n", ioctl(fd, SIOCGIFNAME, &r), r.ifr_name);
    strcpy(r.ifr_name, "none0");
    errno = 0;
    printf("%d %s\n", ioctl(fd, SIOCGIFFLAGS, &r), strerror(errno));
    printf("%d %d\n", ioctl(fd, SIOCGIFCONF, &list), list.ifc_len > 0 && list.ifc_len % (int)sizeof r == 0);
    char room[4000];
    list.ifc_len = sizeof room;
    list.ifc_buf = room;
    printf("%d %s\n", ioctl(fd, SIOCGIFCONF, &list), list.ifc_req[0].ifr_name);
    printf("%s\n", inet_ntoa(((struct sockaddr_in *)&list.ifc_req[0].ifr_addr)->sin_addr));
    errno = 0;
    printf("%d %s\n", ioctl(fd, SIOCGIFFLAGS, (void *)1), strerror(errno));
    errno = 0;
    printf("%d %s\n", ioctl(0, SIOCGIFFLAGS, &r), strerror(errno));
    return 0;
}
