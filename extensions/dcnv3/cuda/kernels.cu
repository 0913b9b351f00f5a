// The kernels of one storage type: compiled once for each, with DCNV3_STORAGE and DCNV3_SET naming type and set.
//
// A window of 3 x 3 points, with or without its centre, and groups of whole 16-byte pieces have kernels of their own;
// everything else goes through the general ones. The deterministic gradients and double precision, which are for
// checks, have only those.
#include "backward.cuh"
#include "forward.cuh"

namespace dcnv3 {
namespace {

using T = DCNV3_STORAGE;
using A = Arithmetic<T>;
constexpr bool rounded_at_the_end = !std::is_same_v<T, A>;
constexpr int piece = 16 / sizeof(T);

// Whether the groups are whole pieces.
bool in_pieces(const Problem& p) { return p.group_width() % piece == 0; }

// Whether a kernel for a known window can run: a team holds all channels of a group.
bool known(const Problem& p) {
  return !std::is_same_v<T, double> && in_pieces(p) && p.group_width() <= piece * most_team;
}

template <int V, Window W>
int forward_as(const Problem& p, const T* value, const T* offset, const T* modulation, T* result, void* stream) {
  const Layout<A> l = layout_of<A>(p, V);
  const dim3 grid = grid_of(static_cast<int64_t>(l.pixels) * l.groups * l.team, p.batch);
  return launch(&forward_kernel<T, V, W>, grid, stream, l, value, offset, modulation, result);
}

int forward(const Problem& p, const void* value, const void* offset, const void* modulation, void* result,
            void* stream) {
  auto run = in_pieces(p) ? &forward_as<piece, Window::any> : &forward_as<1, Window::any>;
  if constexpr (!std::is_same_v<T, double>) {
    if (known(p) && window_of(p) == Window::nine) run = &forward_as<piece, Window::nine>;
    if (known(p) && window_of(p) == Window::ring) run = &forward_as<piece, Window::ring>;
  }
  return run(p, static_cast<const T*>(value), static_cast<const T*>(offset), static_cast<const T*>(modulation),
             static_cast<T*>(result), stream);
}

// Scratch: sums and marks, or float sums of a half type; then the exponents.
struct Workspace {
  int64_t sums, marks, exponents;  // bytes
  int64_t all() const { return sums + marks + exponents; }
};

Workspace workspace_of(const Problem& p, bool deterministic) {
  const int64_t places = p.batch * p.height * p.width * p.channels;
  if (!deterministic) return {rounded_at_the_end ? places * int64_t(sizeof(float)) : 0, 0, 0};
  return {places * 8, (places + 31) / 32 * 4, p.batch * 8};
}

int64_t workspace(const Problem& p, bool deterministic) { return workspace_of(p, deterministic).all(); }

struct Arrays {
  const T *value, *offset, *modulation, *gradient;
  T *offset_gradient, *modulation_gradient;
};

template <int V, Window W, class Sums>
int scatter_as(const Problem& p, const Arrays& a, const Sums& sums, void* stream) {
  const Layout<A> l = layout_of<A>(p, V);
  const dim3 grid = grid_of(static_cast<int64_t>(l.pixels) * l.groups * l.team, p.batch);
  return launch(&backward_kernel<T, V, W, Sums>, grid, stream, l, a.value, a.offset, a.modulation, a.gradient, sums,
                a.offset_gradient, a.modulation_gradient);
}

int zero(void* at, int64_t bytes, void* stream) {
  return static_cast<int>(cudaMemsetAsync(at, 0, static_cast<size_t>(bytes), static_cast<cudaStream_t>(stream)));
}

// A grid for work on numbers rather than on teams: enough blocks to fill a device, each going on in steps.
dim3 grid_over(int64_t numbers, int64_t batch) { return grid_of(smaller(numbers, 1024 * threads), batch); }

template <class To>
int round_sums(int64_t count, const FloatingSums<A>& sums, To* to, void* stream) {
  if constexpr (std::is_same_v<To, A>)
    return 0;  // added up in place
  else
    return launch(&round_kernel<To>, grid_over(count, 1), stream, count, sums, to);
}

int scatter_floating(const Problem& p, const Arrays& a, T* value_gradient, void* scratch, void* stream) {
  const int64_t size = p.height * p.width * p.channels;
  const FloatingSums<A> sums{rounded_at_the_end ? static_cast<A*>(scratch) : reinterpret_cast<A*>(value_gradient)};
  if (const int error = zero(sums.sums, p.batch * size * int64_t(sizeof(A)), stream)) return error;
  auto run = &scatter_as<1, Window::any, FloatingSums<A>>;
  if constexpr (!std::is_same_v<T, double>) {
    if (in_pieces(p)) run = &scatter_as<piece, Window::any, FloatingSums<A>>;
    if (known(p) && window_of(p) == Window::nine) run = &scatter_as<piece, Window::nine, FloatingSums<A>>;
    if (known(p) && window_of(p) == Window::ring) run = &scatter_as<piece, Window::ring, FloatingSums<A>>;
  }
  if (const int error = run(p, a, sums, stream)) return error;
  return round_sums(p.batch * size, sums, value_gradient, stream);
}

int scatter_fixed(const Problem& p, const Arrays& a, T* value_gradient, void* scratch, void* stream) {
  const Workspace space = workspace_of(p, true);
  char* const memory = static_cast<char*>(scratch);
  if (const int error = zero(memory, space.all(), stream)) return error;
  const int64_t size = p.height * p.width * p.channels, places = p.rows * p.columns, row = p.groups * p.points();
  unsigned* const exponents = reinterpret_cast<unsigned*>(memory + space.sums + space.marks);
  FixedSums<A> sums{reinterpret_cast<unsigned long long*>(memory), reinterpret_cast<unsigned*>(memory + space.sums),
                    exponents, 0, p.softmax};
  while (int64_t(1) << sums.count_bits < places * p.points()) ++sums.count_bits;
  const auto largest = [&](const T* numbers, int64_t count, int which) {
    return launch(&exponents_kernel<T>, grid_over(count, p.batch), stream, p.batch, count, numbers, exponents + which);
  };
  if (const int error = largest(a.gradient, places * p.channels, largest_gradient)) return error;
  if (const int error = p.softmax ? 0 : largest(a.modulation, places * row, largest_modulation)) return error;
  auto run = &scatter_as<1, Window::any, FixedSums<A>>;
  if constexpr (!std::is_same_v<T, double>) {
    if (in_pieces(p)) run = &scatter_as<piece, Window::any, FixedSums<A>>;
  }
  if (const int error = run(p, a, sums, stream)) return error;
  return launch(&round_fixed_kernel<T>, grid_over(size, p.batch), stream, p.batch, size, sums, value_gradient);
}

int backward(const Problem& p, const void* value, const void* offset, const void* modulation, const void* gradient,
             void* value_gradient, void* offset_gradient, void* modulation_gradient, void* scratch,
             bool deterministic, void* stream) {
  const Arrays a{static_cast<const T*>(value),      static_cast<const T*>(offset), static_cast<const T*>(modulation),
                 static_cast<const T*>(gradient),   static_cast<T*>(offset_gradient),
                 static_cast<T*>(modulation_gradient)};
  const auto run = deterministic ? &scatter_fixed : &scatter_floating;
  return run(p, a, static_cast<T*>(value_gradient), scratch, stream);
}

}  // namespace

const CudaKernels DCNV3_SET = {forward, workspace, backward};

}  // namespace dcnv3
