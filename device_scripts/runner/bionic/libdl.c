// A stand-in for Android's libdl.so; see libc.c.
void dlerror(void) {}
void dlopen(void) {}
void dlsym(void) {}
