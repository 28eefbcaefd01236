// Android's libdl.so, with glibc behind it. 32-bit bionic numbers the modes of dlopen otherwise
// than every other C library: RTLD_NOW is 0 there.
#define _GNU_SOURCE
#include <dlfcn.h>

void *dlopen(const char *path, int mode) {
  void *(*real)(const char *, int) = (void *(*)(const char *, int))dlsym(RTLD_NEXT, "dlopen");
  return real(path, sizeof(void *) == 4 && mode == 0 ? RTLD_NOW : mode);
}
