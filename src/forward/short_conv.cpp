#include "forward/short_conv.h"

#include "forward/project.h"

namespace assay {

ShortConv::ShortConv(RunContext& context, const ShortConvSpec& spec)
    : b_(context.store, spec.b, context.options.as_deployed),
      c_(context.store, spec.c, context.options.as_deployed),
      v_(context.store, spec.v, context.options.as_deployed),
      out_(context.store, spec.out, context.options.as_deployed),
      conv_(context.store, spec.conv, 0, b_.out()) {}

void ShortConv::run(RunContext& context, Matrix h, Matrix y, bool accumulate) const {
  Device& device = context.device;
  const Matrix b = context.workspace.get("b", h.rows, b_.out()), c = context.workspace.get("c", h.rows, c_.out());
  const Matrix v = context.workspace.get("v", h.rows, v_.out());
  const Matrix convolved = context.workspace.get("convolved", h.rows, v_.out());
  project(context, h, {{b_, b}, {c_, c}, {v_, v}});
  context.times.time("gate", [&] { device.gate(Device::Gate::identity, b, v); });
  conv_.apply(context, b, false, convolved);
  context.times.time("gate", [&] { device.gate(Device::Gate::identity, c, convolved); });
  project(context, c, out_, y, accumulate);
}

}  // namespace assay
