// The part of the C library that the runner uses, declared by hand: one source for glibc and
// bionic without any header, so that the Android build needs no NDK. Only functions whose
// prototype and constants are the same in both, on every ABI, may be added here, or told apart.
//
// time_t, off_t and ssize_t are `long` on every ABI in question: bionic never widened the first
// two on 32 bit, and neither do the functions of these names in glibc.
#pragma once

using size_t = __SIZE_TYPE__;
using uintptr_t = __UINTPTR_TYPE__;
using int8_t = __INT8_TYPE__;
using int16_t = __INT16_TYPE__;
using int32_t = __INT32_TYPE__;
using int64_t = __INT64_TYPE__;
using uint8_t = __UINT8_TYPE__;
using uint16_t = __UINT16_TYPE__;
using uint32_t = __UINT32_TYPE__;
using uint64_t = __UINT64_TYPE__;

static_assert(sizeof(long) == sizeof(void*));

extern "C" {
struct timespec {
  long seconds;
  long nanoseconds;
};
struct pollfd {
  int fd;
  short events;
  short revents;
};

// Files and processes.
int open(const char* path, int flags, ...);
int close(int fd);
long read(int fd, void* to, size_t size);
long write(int fd, const void* from, size_t size);
long lseek(int fd, long offset, int whence);
long pread(int fd, void* to, size_t size, long offset);
int dup2(int from, int to);
int fcntl(int fd, int command, ...);
int pipe(int fds[2]);
int poll(pollfd* fds, unsigned long count, int timeout_ms);
int getpid();
int getppid();
int prctl(int option, ...);
int fork();
int waitpid(int pid, int* status, int options);
int kill(int pid, int signal);
unsigned alarm(unsigned seconds);
void (*signal(int signal, void (*handler)(int)))(int);
[[noreturn]] void _exit(int code);
long syscall(long number, ...);
int sched_setaffinity(int pid, size_t size, const void* mask);
int sched_getaffinity(int pid, size_t size, void* mask);
int clock_gettime(int clock, timespec* time);
unsigned long getauxval(unsigned long type);

// Memory and text.
void* malloc(size_t size);
void free(void* memory);
void* mmap(void* address, size_t size, int protection, int flags, int fd, long offset);
void* memcpy(void* to, const void* from, size_t size);
void* memset(void* to, int value, size_t size);
size_t strlen(const char* text);
int strcmp(const char* a, const char* b);
int strncmp(const char* a, const char* b, size_t size);
char* strstr(const char* text, const char* part);
char* strerror(int number);
int snprintf(char* to, size_t size, const char* format, ...)
    __attribute__((format(printf, 3, 4)));
int vsnprintf(char* to, size_t size, const char* format, __builtin_va_list arguments);

// The dynamic linker.
void* dlopen(const char* path, int flags);
void* dlsym(void* library, const char* name);
char* dlerror();

#if defined(__ANDROID__)
int* __errno();
#else
int* __errno_location();
#endif
}

inline int last_error() {
#if defined(__ANDROID__)
  return *__errno();
#else
  return *__errno_location();
#endif
}

// Linux numbers that all four ABIs, glibc and bionic share.
constexpr int kReadOnly = 0, kWriteOnly = 1, kReadWrite = 2, kCreate = 0100, kTruncate = 01000,
              kCloseOnExec = 02000000;
constexpr int kSeekSet = 0, kSeekEnd = 2;
constexpr int kGetDescriptorFlags = 1, kDuplicateCloseOnExec = 1030;
constexpr int kClockMonotonic = 1, kClockOfProcess = 2;
constexpr unsigned long kAuxClockTicks = 17;  // AT_CLKTCK
constexpr int kProtectReadWrite = 3, kMapPrivateAnonymous = 0x22;
constexpr short kPollIn = 1, kPollError = 8, kPollHangUp = 16;
#if defined(__ANDROID__) && !defined(__LP64__)
constexpr int kBindNow = 0;  // RTLD_NOW; 2 is RTLD_GLOBAL in 32-bit bionic
#else
constexpr int kBindNow = 2;
#endif
constexpr int kDieWithParent = 1;  // PR_SET_PDEATHSIG
constexpr int kSigHup = 1, kSigInt = 2, kSigIll = 4, kSigAbrt = 6, kSigBus = 7, kSigFpe = 8,
              kSigKill = 9, kSigSegv = 11, kSigPipe = 13, kSigAlrm = 14, kSigTerm = 15;
constexpr void (*kDefaultAction)(int) = nullptr;

#if defined(__aarch64__)
constexpr long kSyscallMemfdCreate = 279;
constexpr const char* kAbi = "arm64-v8a";
#elif defined(__x86_64__)
constexpr long kSyscallMemfdCreate = 319;
constexpr const char* kAbi = "x86_64";
#elif defined(__arm__)
constexpr long kSyscallMemfdCreate = 385;
constexpr const char* kAbi = "armeabi-v7a";
#elif defined(__i386__)
constexpr long kSyscallMemfdCreate = 356;
constexpr const char* kAbi = "x86";
#else
#error "unknown ABI: add its system call number and the name that Android gives it"
#endif
