#include "onednn_alone.h"

#include <omp.h>

#include <algorithm>
#include <chrono>
#include <oneapi/dnnl/dnnl.hpp>

double onednn_alone(const std::vector<Product>& products, bool bf16, int threads) {
  using dnnl::memory;
  omp_set_num_threads(threads);
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const auto type = bf16 ? memory::data_type::bf16 : memory::data_type::f32;
  double total = 0;
  for (const Product& p : products) {
    const memory::desc x({p.tokens, p.in}, type, memory::format_tag::ab),
        w({p.in, p.out}, type, memory::format_tag::any);
    const memory::desc y({p.tokens, p.out}, memory::data_type::f32, memory::format_tag::ab);
    const dnnl::matmul::primitive_desc desc({x, w, y}, engine);
    const dnnl::matmul product(desc);
    // Every product gets weights of its own from a set larger than the caches, as in a model.
    std::vector<memory> weights;
    for (size_t bytes = 0; weights.empty() || (bytes < (size_t{64} << 20) && weights.size() < 32);
         bytes += desc.weights_desc().get_size())
      weights.emplace_back(desc.weights_desc(), engine);
    memory source(desc.src_desc(), engine), result(desc.dst_desc(), engine);
    for (memory& m : weights) std::fill_n(static_cast<char*>(m.get_data_handle()), m.get_desc().get_size(), 0);
    std::fill_n(static_cast<char*>(source.get_data_handle()), source.get_desc().get_size(), 0);
    const auto run = [&](int64_t i) {
      product.execute(
          stream, {{DNNL_ARG_SRC, source}, {DNNL_ARG_WEIGHTS, weights[i % weights.size()]}, {DNNL_ARG_DST, result}});
    };
    run(0);
    stream.wait();
    const auto start = std::chrono::steady_clock::now();
    for (int64_t i = 0; i < p.times; ++i) run(i);
    stream.wait();
    total += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  omp_set_num_threads(1);
  return total;
}
