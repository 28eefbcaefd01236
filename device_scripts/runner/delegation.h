// How much of the model the delegate took.
#pragma once

#include "arguments.h"
#include "session.h"

// "full", "partial" or "none"; nullptr when it can't be told. LiteRT says whether all was taken,
// but not whether anything was: that is looked up in a profile that a forked child takes of one
// inference, after everything else has been measured.
const char* find_delegation(Session& session, const Arguments& arguments);
