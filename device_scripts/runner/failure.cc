#include "failure.h"

#include "json.h"

#ifndef RUNNER_VERSION
#error "RUNNER_VERSION is the version of the package, given by the build"
#endif

namespace {

const char* stage = "arguments";
int document = 1;       // the real stdout
int real_stderr = 2;
int said = -1;          // what the library prints; -1: not kept, it goes to stderr directly
volatile int failing = 0;

constexpr size_t kMaxReason = 1500;
constexpr long kMaxStderr = 256 * 1024;

bool starts_with(const char* text, const char* prefix) {
  return strncmp(text, prefix, strlen(prefix)) == 0;
}

// Routine lines of the library explain no failure.
bool routine(const char* line) {
  return starts_with(line, "INFO:") || starts_with(line, "VERBOSE:") ||
         starts_with(line, "WARNING:");
}

// Appends the last lines that the library printed to a reason, as " LiteRT: a / b".
void append_said(char* reason, size_t room) {
  if (said < 0) return;
  char tail[2048];
  const long end = lseek(said, 0, kSeekEnd);
  const long room_in_tail = sizeof tail - 1;
  const long from = end > room_in_tail ? end - room_in_tail : 0;
  const long got = pread(said, tail, room_in_tail, from);
  if (got <= 0) return;
  tail[got] = 0;
  size_t used = strlen(reason);
  const char* joint = " LiteRT: ";
  for (char* line = tail; *line != 0;) {
    char* next = line;
    while (*next != 0 && *next != '\n') next++;
    const bool last = *next == 0;
    *next = 0;
    if (*line != 0 && !routine(line) && used < room) {
      used += static_cast<size_t>(snprintf(reason + used, room - used, "%s%s", joint, line));
      joint = " / ";
    }
    line = last ? next : next + 1;
  }
}

[[noreturn]] void end_with_error(const char* reason, int code) {
  failing = 1;
  Json json(document);
  json.begin_object();
  json.integer("contract", kContract);
  json.text("runner_version", RUNNER_VERSION);
  json.text("status", "error");
  json.text("stage", stage);
  json.text("reason", reason);
  json.text("end", "complete");
  json.end_object();
  json.finish();
  release_stderr();
  _exit(code);
}

const char* signal_name(int number) {
  switch (number) {
    case kSigAbrt: return "SIGABRT";
    case kSigBus: return "SIGBUS";
    case kSigFpe: return "SIGFPE";
    case kSigIll: return "SIGILL";
    case kSigSegv: return "SIGSEGV";
    default: return "a signal";
  }
}

// The library crashed. Not all that is called here is promised to work in a signal handler; a
// second crash ends the process at once, and the host copes with a missing document.
void on_crash(int number) {
  if (failing != 0) _exit(128 + number);
  failing = 1;
  char reason[kMaxReason];
  snprintf(reason, sizeof reason, "The process got %s inside the library.", signal_name(number));
  append_said(reason, sizeof reason);
  end_with_error(reason, 128 + number);
}

// The phone must not keep a process whose host has gone, not even one whose inference hangs:
// between samples nothing is written, so a closed stdout would otherwise stay unnoticed.
void on_alarm(int) {
  pollfd reader = {document, 0, 0};
  if (poll(&reader, 1, 0) > 0 && (reader.revents & (kPollError | kPollHangUp)) != 0) {
    _exit(128 + kSigPipe);
  }
  alarm(1);
}

constexpr int kEnding[] = {kSigHup, kSigInt, kSigTerm, kSigPipe};
constexpr int kCrashing[] = {kSigAbrt, kSigBus, kSigFpe, kSigIll, kSigSegv};

// Descriptors 0 to 2 are taken, so that no file opened later gets one of their numbers.
void hold_standard_descriptors() {
  if (fcntl(1, kGetDescriptorFlags) < 0) _exit(128 + kSigPipe);  // nobody can be told anything
  for (int fd = 0; fd <= 2; fd += 2) {
    if (fcntl(fd, kGetDescriptorFlags) < 0 && open("/dev/null", kReadWrite) != fd) _exit(1);
  }
}

}  // namespace

void enter_stage(const char* name) { stage = name; }

void fail(const char* format, ...) {
  failing = 1;
  char reason[kMaxReason];
  __builtin_va_list arguments;
  __builtin_va_start(arguments, format);
  vsnprintf(reason, sizeof reason, format, arguments);
  __builtin_va_end(arguments);
  append_said(reason, sizeof reason);
  end_with_error(reason, 1);
}

void guard_process() {
  hold_standard_descriptors();
  for (int number : kEnding) signal(number, kDefaultAction);
  document = fcntl(1, kDuplicateCloseOnExec, 3);
  real_stderr = fcntl(2, kDuplicateCloseOnExec, 3);
  if (document < 0 || real_stderr < 0) _exit(1);
  said = static_cast<int>(syscall(kSyscallMemfdCreate, "said", 0));
  if (said >= 0) dup2(said, 2);
  dup2(2, 1);
  for (int number : kCrashing) signal(number, on_crash);
  signal(kSigAlrm, on_alarm);
  alarm(1);
}

int document_fd() { return document; }

void release_stderr() {
  close(document);  // a host that reads stdout to its end before stderr must not wait for us
  if (said < 0) return;
  char piece[4096];
  long at = 0;
  while (at < kMaxStderr) {
    const long got = pread(said, piece, sizeof piece, at);
    if (got <= 0 || write(real_stderr, piece, static_cast<size_t>(got)) != got) return;
    at += got;
  }
}

void become_silent_child(int parent) {
  prctl(kDieWithParent, kSigKill);
  if (getppid() != parent) _exit(1);  // it was gone before the request
  const int nowhere = open("/dev/null", kReadWrite | kCloseOnExec);
  const int voices[] = {1, 2, document, real_stderr};
  for (int fd : voices) dup2(nowhere, fd);
  said = -1;
  for (int number : kCrashing) signal(number, kDefaultAction);
}
