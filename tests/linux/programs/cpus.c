/* How many processors there are, and what the first one's folder holds. */
#include <dirent.h>
#include <stdio.h>
#include <sys/sysinfo.h>

int main(void)
{
	char text[16] = "none";
	FILE *file = fopen("/sys/devices/system/cpu/cpu0/topology/thread_siblings_list", "r");
	DIR *folder = opendir("/sys/devices/system/cpu");
	int found = 0;

	if (file)
		fscanf(file, "%15s", text);
	for (struct dirent *entry; folder && (entry = readdir(folder));)
		found += entry->d_name[3] >= '0' && entry->d_name[3] <= '9';
	printf("%d %d %d %s\n", get_nprocs(), get_nprocs_conf(), found, text);
	return 0;
}
