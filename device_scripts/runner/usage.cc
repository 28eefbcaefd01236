#include "usage.h"

#include "process.h"
#include "sampling.h"

namespace {

// A tick is 10 ms, and each core counts its own: in less than half a second the last one of each
// would make up for cores that nobody used.
constexpr uint64_t kMinSpanNs = 500000000;

// proc_stat(5): user nice system idle iowait irq softirq, then steal, which no process of this
// device had, and guest and guest_nice, which are a part of user and nice.
constexpr bool kIsBusy[] = {true, true, true, false, false, true, true};

// Busy ticks of all cores since the start of the device, or -1 when they can't be read: Android
// keeps them from apps, not from the shell.
int64_t busy_ticks() {
  char text[512];
  if (!read_start("/proc/stat", text, sizeof text) || strncmp(text, "cpu ", 4) != 0) return -1;
  const char* at = text + 4;
  int64_t busy = 0;
  for (bool is_busy : kIsBusy) {
    const int64_t ticks = next_whole(&at);
    if (ticks < 0) return -1;
    if (is_busy) busy += ticks;
  }
  return busy;
}

uint64_t ns_of_tick() {
  const unsigned long ticks_per_s = getauxval(kAuxClockTicks);
  return 1000000000 / (ticks_per_s == 0 ? 100 : ticks_per_s);
}

}  // namespace

UsageMark begin_usage() {
  UsageMark mark;
  mark.busy_ticks = busy_ticks();  // first, so that the reading is not counted
  mark.own_ns = clock_ns(kClockOfProcess);
  mark.wall_ns = now_ns();
  return mark;
}

Usage end_usage(const UsageMark& begun) {
  Usage out;
  out.wall_ns = now_ns() - begun.wall_ns;
  out.own_ns = clock_ns(kClockOfProcess) - begun.own_ns;
  const int64_t ticks = busy_ticks();
  if (begun.busy_ticks < 0 || ticks < 0 || out.wall_ns < kMinSpanNs) return out;
  const int64_t busy = ticks - begun.busy_ticks;
  out.busy_ns = busy > 0 ? static_cast<uint64_t>(busy) * ns_of_tick() : 0;
  // Many kernels charge a whole tick to whoever runs at its end, so the sum may fall short of
  // what this process is known to have used.
  if (out.busy_ns < out.own_ns) out.busy_ns = out.own_ns;
  out.told = true;
  return out;
}
