#include "process.h"

#include "failure.h"

namespace {

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

long peak_memory_kb() {
  char text[4096];
  const int fd = open("/proc/self/status", kReadOnly | kCloseOnExec);
  if (fd < 0) return -1;
  const long got = read(fd, text, sizeof text - 1);
  close(fd);
  if (got <= 0) return -1;
  text[got] = 0;
  const char* at = strstr(text, "VmHWM:");
  if (at == nullptr) return -1;
  at += strlen("VmHWM:");
  while (*at == ' ' || *at == '\t') at++;
  long value = -1;
  for (; *at >= '0' && *at <= '9'; at++) value = (value < 0 ? 0 : value) * 10 + (*at - '0');
  return value;
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
