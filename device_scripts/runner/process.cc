#include "process.h"

#include "failure.h"

namespace {

constexpr int64_t kHuge = 1000000000000000;  // no count of the kernel's is
constexpr int kWords = 16;  // 1024 cores, as cpu_set_t

CpuMask obtained_mask() {
  uint64_t words[kWords] = {};
  CpuMask out = {};
  if (sched_getaffinity(0, sizeof words, words) < 0) {
    fail("The CPU mask can't be read: %s.", strerror(last_error()));
  }
  size_t used = 0;
  for (int i = kWords - 1; i >= 0; i--) {
    if (used == 0 && words[i] == 0 && i > 0) continue;
    used += static_cast<size_t>(snprintf(out.digits + used, sizeof out.digits - used,
                                         used == 0 ? "%llx" : "%016llx",
                                         static_cast<unsigned long long>(words[i])));
  }
  return out;
}

}  // namespace

bool read_start(const char* path, char* text, size_t size) {
  const int fd = open(path, kReadOnly | kCloseOnExec);
  if (fd < 0) return false;
  const long got = read(fd, text, size - 1);
  close(fd);
  text[got > 0 ? got : 0] = 0;
  return got > 0;
}

int64_t next_whole(const char** at) {
  while (**at == ' ' || **at == '\t') ++*at;
  int64_t value = -1;
  for (; **at >= '0' && **at <= '9' && value < kHuge; ++*at) {
    value = (value < 0 ? 0 : value) * 10 + (**at - '0');
  }
  return value < kHuge ? value : -1;
}

long peak_memory_kb() {
  char text[4096];
  if (!read_start("/proc/self/status", text, sizeof text)) return -1;
  const char* at = strstr(text, "VmHWM:");
  if (at == nullptr) return -1;
  at += strlen("VmHWM:");
  return static_cast<long>(next_whole(&at));
}

CpuMask bind_to(uint64_t mask) {
  enter_stage("affinity");
  uint64_t words[kWords] = {mask};
  if (mask != 0 && sched_setaffinity(0, sizeof words, words) != 0) {
    fail("The CPU mask %llx can't be had: %s. Are these cores there and online?",
         static_cast<unsigned long long>(mask), strerror(last_error()));
  }
  return obtained_mask();
}
