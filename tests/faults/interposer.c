/* Kills or fails a process at a chosen file operation.

   Loaded with LD_PRELOAD. `fault_arm` chooses the operation: the n-th one
   whose name and whose path, relative to a folder, match two patterns, as of a
   shell. The action is
     "kill"     SIGKILL before the operation,
     "tear"     half of what is to be written is, then SIGKILL,
     "signal S" signal S before the operation,
     "fail E"   it, and all that match after it, fail with errno E.

   Operations: read (open), open (to write), write, close, rename (path is
   the new name), unlink, rmdir, mkdir. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[PATH_MAX], operation_glob[64], path_glob[PATH_MAX];
static char action[16];
static int record = -1;
static atomic_int left;

#define REAL(name) \
  static __typeof__(&name) real; \
  if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

/* Arms the aim; `left_until` 1 is the first operation that matches. Appends
   "operation path" lines of all operations in the folder to `log`, if any. */
void fault_arm(const char *in, const char *operations, const char *paths,
               int left_until, const char *what, const char *log) {
  snprintf(folder, sizeof folder, "%s/", in);
  snprintf(operation_glob, sizeof operation_glob, "%s", operations);
  snprintf(path_glob, sizeof path_glob, "%s", paths);
  snprintf(action, sizeof action, "%s", what);
  left = left_until;
  if (log) record = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
}

void fault_disarm(void) { left = 0; }

static void die(void) {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

/* 0: go on; 1: fail with errno set; 2: tear. */
static int meet(const char *operation, const char *path) {
  char absolute[PATH_MAX];
  if (!folder[0] || !path) return 0;
  if (path[0] != '/') {
    char here[PATH_MAX / 2];
    if (!getcwd(here, sizeof here)) return 0;
    snprintf(absolute, sizeof absolute, "%s/%s", here, path);
    path = absolute;
  }
  if (strncmp(path, folder, strlen(folder))) return 0;
  const char *inner = path + strlen(folder);
  if (record >= 0) {
    char line[PATH_MAX + 64];
    int size = snprintf(line, sizeof line, "%s %s\n", operation, inner);
    REAL(write);
    if (real(record, line, size) < 0) die();
  }
  if (left == 0 || fnmatch(operation_glob, operation, FNM_EXTMATCH) ||
      fnmatch(path_glob, inner, FNM_PATHNAME | FNM_EXTMATCH))
    return 0;
  if (left > 0 && atomic_fetch_sub(&left, 1) > 1) return 0;
  if (!strncmp(action, "fail", 4)) {
    left = -1; /* from now on always */
    errno = atoi(action + 5);
    return 1;
  }
  if (!strncmp(action, "signal", 6)) {
    kill(getpid(), atoi(action + 7));
    return 0;
  }
  if (!strcmp(action, "tear")) return 2;
  die();
  return 0;
}

static int meet_descriptor(const char *operation, int fd) {
  char link[64], path[PATH_MAX];
  if (!folder[0] || fd < 3 || fd == record) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t size = readlink(link, path, sizeof path - 1);
  if (size <= 0) return 0;
  path[size] = 0;
  return meet(operation, path);
}

static int meet_open(const char *path, int flags) {
  int writes = flags & (O_WRONLY | O_RDWR);
  return meet(writes ? "open" : "read", path);
}

#define OPEN(name)                                      \
  int name(const char *path, int flags, ...) {          \
    REAL(name);                                         \
    va_list rest;                                       \
    va_start(rest, flags);                              \
    int mode = va_arg(rest, int);                       \
    va_end(rest);                                       \
    return meet_open(path, flags) ? -1 : real(path, flags, mode); \
  }
OPEN(open)
OPEN(open64)

#define FOPEN(name)                                             \
  FILE *name(const char *path, const char *mode) {              \
    REAL(name);                                                 \
    int flags = strpbrk(mode, "wa+") ? O_WRONLY : O_RDONLY;     \
    return meet_open(path, flags) ? NULL : real(path, mode);    \
  }
FOPEN(fopen)
FOPEN(fopen64)

ssize_t write(int fd, const void *bytes, size_t size) {
  REAL(write);
  int met = meet_descriptor("write", fd);
  if (met == 1) return -1;
  if (met == 2) {
    if (real(fd, bytes, size / 2) >= 0) die();
  }
  return real(fd, bytes, size);
}

size_t fwrite(const void *bytes, size_t size, size_t count, FILE *file) {
  REAL(fwrite);
  int met = meet_descriptor("write", fileno(file));
  if (met == 1) return 0;
  if (met == 2) {
    real(bytes, 1, size * count / 2, file);
    fflush(file);
    die();
  }
  return real(bytes, size, count, file);
}

int fclose(FILE *file) {
  REAL(fclose);
  int met = meet_descriptor("close", fileno(file));
  int error = errno, code = real(file);
  if (met == 1) {
    errno = error;
    return EOF;
  }
  return code;
}

int rename(const char *from, const char *to) {
  REAL(rename);
  return meet("rename", to) == 1 ? -1 : real(from, to);
}

#define REMOVE(name, operation)                               \
  int name(const char *path) {                                \
    REAL(name);                                               \
    return meet(operation, path) == 1 ? -1 : real(path);      \
  }
REMOVE(unlink, "unlink")
REMOVE(rmdir, "rmdir")

int mkdir(const char *path, mode_t mode) {
  REAL(mkdir);
  return meet("mkdir", path) == 1 ? -1 : real(path, mode);
}
