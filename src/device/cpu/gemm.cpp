#include "device/cpu/gemm.h"

#include <omp.h>

#include <cstdlib>
#include <map>
#include <new>
#include <oneapi/dnnl/dnnl.hpp>
#include <shared_mutex>
#include <tuple>

#include "base/error.h"

namespace assay {

namespace {

using dnnl::memory;

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

/// Our loops are the parallel ones: oneDNN must use one thread a call, also when it decides how to block.
void use_one_thread() {
  thread_local bool done = false;
  if (!done) omp_set_num_threads(1);
  done = true;
}

dnnl::stream& stream() {
  thread_local dnnl::stream stream(engine());
  return stream;
}

memory at(const memory::desc& desc, const void* data) {
  return memory(desc, engine(), const_cast<void*>(data));
}

memory scratchpad(const memory::desc& desc) {
  thread_local AlignedBytes scratch;
  return at(desc, scratch.reserve(desc.get_size()));
}

}  // namespace

void* AlignedBytes::reserve(size_t bytes) {
  if (bytes > size_) {
    data_.reset();
    size_ = (bytes + 63) / 64 * 64;
    data_.reset(std::aligned_alloc(64, size_));
    if (!data_) throw std::bad_alloc();
  }
  return data_.get();
}

void AlignedBytes::Free::operator()(void* p) const {
  std::free(p);
}

Precision element_of(Precision precision) {
  constexpr auto kNeeded = static_cast<int>(dnnl::cpu_isa::avx512_core_bf16);
  static const bool native = (static_cast<int>(dnnl::get_effective_cpu_isa()) & kNeeded) == kNeeded;
  return precision == Precision::bf16 && native ? Precision::bf16 : Precision::f32;
}

struct Gemm::Parts {
  memory::desc a, b, c, scratch, values, pack_scratch;
  dnnl::matmul product;
  dnnl::reorder packer;
};

Gemm::~Gemm() = default;

Gemm::Gemm(Precision element, Layout layout, int64_t m, int64_t n, int64_t k) : parts_(std::make_unique<Parts>()) {
  use_one_thread();
  const auto type = element == Precision::bf16 ? memory::data_type::bf16 : memory::data_type::f32;
  const memory::desc a({m, k}, type, memory::format_tag::ab);
  const auto tag = layout == Layout::packed       ? memory::format_tag::any
                   : layout == Layout::transposed ? memory::format_tag::ba
                                                  : memory::format_tag::ab;
  const memory::desc b({k, n}, type, tag);
  const memory::desc c({m, n}, memory::data_type::f32, memory::format_tag::ab);
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  const dnnl::matmul::primitive_desc product({a, b, c}, attributes, engine());
  parts_->a = a;
  parts_->b = product.weights_desc();
  parts_->c = c;
  parts_->scratch = product.scratchpad_desc();
  parts_->values = memory::desc({k, n}, memory::data_type::f32, memory::format_tag::ba);
  parts_->product = dnnl::matmul(product);
  if (layout == Layout::packed) {
    const dnnl::reorder::primitive_desc packer(engine(), parts_->values, engine(), parts_->b, attributes);
    parts_->packer = dnnl::reorder(packer);
    parts_->pack_scratch = packer.scratchpad_desc();
  }
}

const Gemm& Gemm::get(Precision element, Layout layout, int64_t m, int64_t n, int64_t k) {
  using Key = std::tuple<Precision, Layout, int64_t, int64_t, int64_t>;
  static std::shared_mutex mutex;
  static std::map<Key, std::unique_ptr<const Gemm>> made;
  const Key key{element, layout, m, n, k};
  {
    std::shared_lock lock(mutex);
    if (const auto it = made.find(key); it != made.end()) return *it->second;
  }
  std::unique_lock lock(mutex);
  auto& slot = made[key];
  if (!slot) slot.reset(new Gemm(element, layout, m, n, k));
  return *slot;
}

void Gemm::run(const void* a, const void* b, float* c) const {
  use_one_thread();
  parts_->product.execute(stream(), {{DNNL_ARG_SRC, at(parts_->a, a)},
                                     {DNNL_ARG_WEIGHTS, at(parts_->b, b)},
                                     {DNNL_ARG_DST, at(parts_->c, c)},
                                     {DNNL_ARG_SCRATCHPAD, scratchpad(parts_->scratch)}});
}

size_t Gemm::packed_bytes() const {
  return parts_->b.get_size();
}

void Gemm::pack(const float* values, void* packed) const {
  use_one_thread();
  parts_->packer.execute(stream(), {{DNNL_ARG_FROM, at(parts_->values, values)},
                                    {DNNL_ARG_TO, at(parts_->b, packed)},
                                    {DNNL_ARG_SCRATCHPAD, scratchpad(parts_->pack_scratch)}});
}

}  // namespace assay
