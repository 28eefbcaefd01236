// What the Android runner needs of bionic and glibc lacks: with this as its libc.so, and glibc
// behind it, the very file that goes to a phone starts on a Linux machine.
#include <errno.h>
#include <stdlib.h>

int *__errno(void) { return &errno; }

void __libc_init(void *stack, void (*on_exit)(void), int (*main)(int, char **, char **),
                 const void *structors) {
  const long count = *(long *)stack;
  char **values = (char **)stack + 1;
  exit(main((int)count, values, values + count + 1));
}
