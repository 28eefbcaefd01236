// A stand-in for Android's libc.so to link against without the NDK: names only. On the phone the
// dynamic linker finds the real ones.
#define FUNCTION(name) void name(void) {}
FUNCTION(__errno) FUNCTION(__libc_init)
FUNCTION(_exit) FUNCTION(alarm) FUNCTION(clock_gettime) FUNCTION(close) FUNCTION(dup2)
FUNCTION(fcntl) FUNCTION(fork) FUNCTION(free) FUNCTION(getauxval) FUNCTION(getpid)
FUNCTION(getppid) FUNCTION(kill) FUNCTION(lseek)
FUNCTION(malloc) FUNCTION(memcpy) FUNCTION(memset) FUNCTION(mmap) FUNCTION(open) FUNCTION(pipe)
FUNCTION(poll) FUNCTION(prctl) FUNCTION(pread) FUNCTION(read) FUNCTION(sched_getaffinity)
FUNCTION(sched_setaffinity) FUNCTION(signal) FUNCTION(snprintf) FUNCTION(strcmp) FUNCTION(strerror)
FUNCTION(strlen) FUNCTION(strncmp) FUNCTION(strstr) FUNCTION(syscall) FUNCTION(vsnprintf)
FUNCTION(waitpid) FUNCTION(write)
