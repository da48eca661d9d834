/* Makes fsync and fdatasync fail or hang while a file says so. The file named by SYNC_FAULT holds one letter: "e" EIO, "h" hang,
 * anything else nothing. Every fault adds an octet to SYNC_FAULT.hits, so that a test can see that it happened at all. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char wanted(void)
{
    const char *path = getenv("SYNC_FAULT");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    char letter = 0;

    if (fd >= 0) {
        if (read(fd, &letter, 1) != 1)
            letter = 0;
        close(fd);
    }
    return letter;
}

static void hit(void)
{
    char path[PATH_MAX];
    int fd;

    snprintf(path, sizeof path, "%s.hits", getenv("SYNC_FAULT"));
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd >= 0) {
        if (write(fd, "x", 1) != 1)
            abort();
        close(fd);
    }
}

static int with_fault(int fd, const char *name)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);

    if (wanted() == 'h')
        hit();
    while (wanted() == 'h')
        usleep(2000);
    if (wanted() == 'e') {
        hit();
        errno = EIO;
        return -1;
    }
    return real(fd);
}

int fsync(int fd) { return with_fault(fd, "fsync"); }

int fdatasync(int fd) { return with_fault(fd, "fdatasync"); }
