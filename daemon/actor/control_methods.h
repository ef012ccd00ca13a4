/*
 * control_methods -- the handlers of the method table, one for each row of control_methods.def.
 */
#pragma once

#include "actor/control.h"

#define METHOD(name, handler, flags, doc) void handler(act_self *self, struct call *call);
#include "actor/control_methods.def"
#undef METHOD
