// The kernels of models/gpu as plain functions: what CUDA gives them, in loops over blocks and threads.
//
// A kernel is started as CUDA's driver starts it: by an array of pointers to its arguments.
#include <cmath>
#include <cstddef>
#include <utility>

#define __global__
#define __device__

struct Index
{
    unsigned int x, y, z;
};
static thread_local Index blockIdx, threadIdx, blockDim, gridDim;

static inline int min(int a, int b) { return a < b ? a : b; }
static inline int max(int a, int b) { return a > b ? a : b; }

#include "frame.cu"
#include "views.cu"

template <class... Arguments, std::size_t... I>
static void launch(void (*kernel)(Arguments...), void **given, std::index_sequence<I...>)
{
    kernel(*static_cast<Arguments *>(given[I])...);
}

template <class... Arguments>
static void launch_all(void (*kernel)(Arguments...), void **given, const unsigned int *grid, const unsigned int *block)
{
    gridDim = {grid[0], grid[1], 1};
    blockDim = {block[0], 1, 1};
    for (unsigned int down = 0; down < grid[1]; ++down)
        for (unsigned int across = 0; across < grid[0]; ++across)
            for (unsigned int thread = 0; thread < block[0]; ++thread) {
                blockIdx = {across, down, 0};
                threadIdx = {thread, 0, 0};
                launch(kernel, given, std::index_sequence_for<Arguments...>{});
            }
}

#define ON_HOST(kernel) \
    extern "C" void host_##kernel(void **given, const unsigned int *grid, const unsigned int *block) \
    { \
        launch_all(kernel, given, grid, block); \
    }

ON_HOST(correct)
ON_HOST(sample)
ON_HOST(same)
ON_HOST(shrink_by_whole)
ON_HOST(shrink)
ON_HOST(grow)
ON_HOST(cut)
