// A LiteRT that does as it is told by the environment, with a clock of its own: the runner's
// rules can be tested without waiting. Preload it, and give it as --library too.
//
//   FAKE_LATENCIES_NS  latencies of the inferences, separated by commas; the last one repeats
//   FAKE_CYCLE         the list starts again instead
//   FAKE_FAULT         <function>:<what>, what is abort, segv, hang, slow, fail, stdout or flood
//   FAKE_DELEGATION    full (default), or the event types that a profile shows, such as 8,2
//   FAKE_ELAPSED_US    durations of these events, separated by commas; the last one repeats
//   FAKE_UNEVEN        the second profile shows one event less
//   FAKE_INPUTS        the model has one input, 2 x 3 floats
//   FAKE_OUTPUTS       the model has one output, which holds what the input held
//   FAKE_CORES         that the process keeps busy, by its own clock (1)
//   FAKE_PROC          a folder in the place of /proc: the n-th opening of /proc/x finds its x.n,
//                      or x where there is none
//
// What it is given as options goes to stderr.
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static long long now_ns = 1000000000;
static const char *at;

int clock_gettime(clockid_t clock, struct timespec *time) {
  const char *cores = getenv("FAKE_CORES");
  const bool own = clock == CLOCK_PROCESS_CPUTIME_ID && cores != NULL;
  const long long told_ns = own ? (long long)(now_ns * strtod(cores, NULL)) : now_ns;
  time->tv_sec = told_ns / 1000000000;
  time->tv_nsec = told_ns % 1000000000;
  return 0;
}

static int nth_opening(const char *path) {
  static struct {
    char path[64];
    int times;
  } seen[16];
  int i = 0;
  while (i < 15 && seen[i].times > 0 && strcmp(seen[i].path, path) != 0) i++;
  snprintf(seen[i].path, sizeof seen[i].path, "%s", path);
  return ++seen[i].times;
}

int open(const char *path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const int mode = flags & O_CREAT ? va_arg(more, int) : 0;
  va_end(more);
  const char *folder = getenv("FAKE_PROC");
  if (folder == NULL || strncmp(path, "/proc/", 6) != 0) return openat(AT_FDCWD, path, flags, mode);
  char there[4096];
  snprintf(there, sizeof there, "%s/%s.%d", folder, path + 6, nth_opening(path));
  const int fd = openat(AT_FDCWD, there, flags);
  if (fd >= 0) return fd;
  snprintf(there, sizeof there, "%s/%s", folder, path + 6);
  return openat(AT_FDCWD, there, flags);
}

static int fault(const char *function) {
  const char *wish = getenv("FAKE_FAULT");
  const size_t size = strlen(function);
  if (wish == NULL || strncmp(wish, function, size) != 0 || wish[size] != ':') return 0;
  const char *what = wish + size + 1;
  if (strcmp(what, "abort") == 0) abort();
  if (strcmp(what, "segv") == 0) raise(SIGSEGV);
  while (strcmp(what, "hang") == 0) pause();
  if (strcmp(what, "stdout") == 0) printf("noise on stdout\n"), fflush(stdout);
  if (strcmp(what, "slow") == 0) usleep(1300000);
  if (strcmp(what, "flood") == 0)
    for (int i = 0; i < 40000; i++) fprintf(stderr, "ERROR: noise on stderr\n");
  return strcmp(what, "fail") == 0 ? 3 : 0;
}

static long long next_latency(void) {
  const char *all = getenv("FAKE_LATENCIES_NS");
  if (all == NULL) return 1000000;
  if (at == NULL) at = all;
  char *end;
  const long long latency = strtoll(at, &end, 10);
  if (*end == ',') at = end + 1;
  else if (getenv("FAKE_CYCLE") != NULL) at = all;
  return latency;
}

#define OK(name, parameters) \
  int LiteRt##name parameters { return fault(#name); }
#define GIVE(name, parameters, out, value) \
  int LiteRt##name parameters { *out = value; return fault(#name); }

static int thing;
OK(SetOptionsHardwareAccelerators, (void *options, int set))
OK(AddOpaqueOptions, (void *options, void *opaque))
OK(UnlockTensorBuffer, (void *buffer))
OK(StopProfiler, (void *profiler))
OK(GetCompiledModelOutputTensorLayouts, (void *m, size_t s, size_t n, void *l, bool update))
GIVE(CreateModelFromFile, (void *e, const char *path, void **out), out, &thing)
GIVE(CreateOptions, (void **out), out, &thing)
GIVE(CreateCompiledModel, (void *e, void *m, void *o, void **out), out, &thing)
GIVE(GetNumModelSignatures, (void *model, size_t *out), out, 1)
GIVE(GetModelSignature, (void *model, size_t i, void **out), out, &thing)
GIVE(GetNumSignatureInputs, (void *signature, size_t *out), out, getenv("FAKE_INPUTS") != NULL)
GIVE(GetNumSignatureOutputs, (void *signature, size_t *out), out, getenv("FAKE_OUTPUTS") != NULL)
GIVE(GetSignatureInputName, (void *s, size_t i, const char **out), out, "")
GIVE(GetSignatureOutputName, (void *s, size_t i, const char **out), out, "")
GIVE(GetSignatureInputTensorByIndex, (void *s, size_t i, void **out), out, &thing)
GIVE(GetSignatureOutputTensorByIndex, (void *s, size_t i, void **out), out, &thing)
GIVE(GetCompiledModelInputBufferRequirements, (void *m, size_t s, size_t i, void **out), out, 0)
GIVE(GetCompiledModelOutputBufferRequirements, (void *m, size_t s, size_t i, void **out), out, 0)
GIVE(CreateManagedTensorBufferFromRequirements, (void *e, void *t, void *r, void **out), out, 0)
static float memory[6];
GIVE(LockTensorBuffer, (void *buffer, void **out, int mode), out, memory)
GIVE(GetTensorBufferPackedSize, (void *buffer, size_t *out), out, sizeof memory)
GIVE(CompiledModelGetProfiler, (void *m, void **out), out, &thing)

struct option {
  int tag;
  struct {
    int type;
    union {
      int64_t integer;
      double real;
      const char *text;
    };
  } value;
};

int LiteRtCreateEnvironment(int n, const struct option *options, void **out) {
  for (int i = 0; i < n; i++) {
    fprintf(stderr, "INFO: environment: %d = %lld of type %d\n", options[i].tag,
            (long long)options[i].value.integer, options[i].value.type);
  }
  *out = &thing;
  return fault("CreateEnvironment");
}

int LiteRtCreateOpaqueOptions(const char *id, char *text, void (*done)(void *), void **out) {
  for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
    fprintf(stderr, "INFO: %s: %s\n", id, line);
  done(text);
  *out = &thing;
  return fault("CreateOpaqueOptions");
}

struct type {
  int element;
  struct {
    unsigned rank : 7, has_strides : 1;
    int dimensions[8];
    unsigned strides[8];
  } layout;
};

int LiteRtGetRankedTensorType(void *tensor, struct type *out) {
  memset(out, 0, sizeof *out);
  *out = (struct type){.element = 1, .layout = {.rank = 2, .dimensions = {2, 3}}};
  return fault("GetRankedTensorType");
}

static const char *delegation(void) {
  const char *wish = getenv("FAKE_DELEGATION");
  return wish == NULL ? "full" : wish;
}

int LiteRtCompiledModelIsFullyAccelerated(void *model, bool *out) {
  *out = strcmp(delegation(), "full") == 0;
  return fault("CompiledModelIsFullyAccelerated");
}

static int profiles;

int LiteRtStartProfiler(void *profiler) {
  profiles++;
  return fault("StartProfiler");
}

int LiteRtGetNumProfilerEvents(void *profiler, int *out) {
  *out = getenv("FAKE_UNEVEN") != NULL && profiles == 2 ? 0 : 1;
  for (const char *c = delegation(); *c != 0; c++) *out += *c == ',';
  return fault("GetNumProfilerEvents");
}

struct event {
  const char *tag;
  int type;
  uint64_t start_us, elapsed_us;
  size_t memory[6];
  uint64_t metadata[2];
  int source;
};

static long long next_in(const char **list) {
  char *end;
  const long long value = strtoll(*list, &end, 10);
  if (*end == ',') *list = end + 1;
  return value;
}

int LiteRtGetProfilerEvents(void *profiler, int count, struct event *events) {
  const char *type = delegation(), *elapsed = getenv("FAKE_ELAPSED_US");
  for (int i = 0; i < count; i++) {
    memset(&events[i], 0, sizeof events[i]);
    events[i].type = (int)next_in(&type);
    events[i].tag = events[i].type == 2 ? "CONV_2D" : "Convolution (NHWC, F32) GEMM";
    events[i].metadata[0] = i;
    if (elapsed != NULL) events[i].elapsed_us = next_in(&elapsed);
  }
  return fault("GetProfilerEvents");
}

#ifndef WITHOUT_FUNCTIONS_OF_PROFILES
OK(ResetProfiler, (void *profiler))
GIVE(GetModelSubgraph, (void *model, size_t i, void **out), out, &thing)
GIVE(GetNumSubgraphOps, (void *graph, size_t *out), out, 1)
GIVE(GetSubgraphOp, (void *graph, size_t i, void **out), out, &thing)
GIVE(GetNumOpOutputs, (void *op, size_t *out), out, 1)
GIVE(GetOpOutput, (void *op, size_t i, void **out), out, &thing)
GIVE(GetTensorName, (void *tensor, const char **out), out, "first output")
#endif

int LiteRtRunCompiledModel(void *m, size_t s, size_t n, void **in, size_t k, void **out) {
  now_ns += next_latency();
  return fault("RunCompiledModel");
}
