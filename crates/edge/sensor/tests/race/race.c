/* SPDX-License-Identifier: Apache-2.0 OR MIT
 *
 * One thread opens the file whose path stands in a buffer, again and again; another changes the last
 * letter of that path all the while. Prints the inode of every file that was really opened.
 *
 * Arguments: folder with the files `name1` and `name2`; how often to open.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static volatile int ended;
static char path[4096];
static volatile char *last;

static void *change(void *unused)
{
	while (!ended) {
		*last = '1';
		*last = '2';
	}
	return unused;
}

int main(int count, char **arguments)
{
	if (count < 3)
		return 1;
	int length = snprintf(path, sizeof(path), "%s/name1", arguments[1]);
	if (length < 1 || length >= (int)sizeof(path))
		return 2;
	last = path + length - 1;
	int times = atoi(arguments[2]);
	unsigned long *inodes = calloc(times, sizeof(*inodes));
	pthread_t thread;
	if (!inodes || pthread_create(&thread, 0, change, 0))
		return 3;
	for (int i = 0; i < times; i++) {
		int fd = open(path, O_RDONLY);
		struct stat found;
		if (fd < 0 || fstat(fd, &found))
			return 4;
		inodes[i] = found.st_ino;
		close(fd);
	}
	ended = 1;
	pthread_join(thread, 0);
	for (int i = 0; i < times; i++)
		printf("opened %lu\n", inodes[i]);
	return 0;
}
