// What happens when something goes wrong: one error document and a non-zero exit.
#pragma once

#include "libc.h"

// The contract that README.md in the folder above describes.
constexpr int kContract = 1;

// Where the run is, for the error document.
void enter_stage(const char* name);

// Ends the process with an error document: stage, reason, and what the library said last.
[[noreturn]] void fail(const char* format, ...) __attribute__((format(printf, 1, 2)));

// To be called first. Keeps the real stdout for the document alone, sends whatever the library
// prints (on stdout or stderr) into memory, and makes sure that the process outlives neither its
// reader nor a signal: SIGHUP, SIGINT, SIGTERM and SIGPIPE end it, and so does, within two
// seconds, a stdout that nobody reads any more.
void guard_process();

// The descriptor of the document.
int document_fd();

// Closes stdout, then copies what the library printed to the real stderr, at most 256 kB of it.
void release_stderr();

// For a forked child: it writes nothing anywhere, and ends when its parent does, which may have
// happened already.
void become_silent_child(int parent);
