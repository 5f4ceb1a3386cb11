// A frame made even, and brought to another scale.
//
// Pictures are rows of pixels of three levels (0 to 255) each, without gaps. A thread makes one level, so that
// neighbours write neighbouring bytes. Every sum is taken in OpenCV's order and rounded as OpenCV does: compiled without
// fused multiplication and addition, a GPU gives the very levels of the processor.
// Where a target is wider or taller than the picture in it, the picture's last column and row go on to its edges.

static __device__ unsigned char nearest_level(float value)
{
    return (unsigned char)(int)rintf(fminf(fmaxf(value, 0.0f), 255.0f)); // halves to even
}

// offset: null where nothing is taken off.
extern "C" __global__ void correct(
    const unsigned char *frame, const float *gain, const float *offset, unsigned char *even, unsigned int levels)
{
    const unsigned int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= levels)
        return;
    float value = (float)frame[i] * gain[i];
    if (offset)
        value -= offset[i];
    even[i] = nearest_level(value);
}

// Which level of a target a thread makes, and from where in the picture in it.
struct Place
{
    int x, y, colour;
    size_t target;
    bool outside;
};

static __device__ Place place_in(int columns, int rows, int target_columns)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    const int column = i / 3, row = blockIdx.y;
    Place place;
    place.outside = column >= target_columns;
    place.colour = i - 3 * column;
    place.target = (size_t)row * target_columns * 3 + i;
    place.x = min(column, columns - 1);
    place.y = min(row, rows - 1);
    return place;
}

// The same picture, with its edges drawn out.
extern "C" __global__ void same(
    const unsigned char *source, unsigned char *target, int columns, int rows, int target_columns)
{
    const Place at = place_in(columns, rows, target_columns);
    if (at.outside)
        return;
    target[at.target] = source[((size_t)at.y * columns + at.x) * 3 + at.colour];
}

// Means of whole blocks of step_x × step_y pixels. share: one pixel's part of a block.
extern "C" __global__ void shrink_by_whole(
    const unsigned char *source, int source_columns, unsigned char *target, int columns, int rows, int target_columns,
    int step_x, int step_y, float share)
{
    const Place at = place_in(columns, rows, target_columns);
    if (at.outside)
        return;
    int sum = 0;
    for (int j = 0; j < step_y; ++j) {
        const size_t first = ((size_t)(at.y * step_y + j) * source_columns + at.x * step_x) * 3 + at.colour;
        for (int i = 0; i < step_x; ++i)
            sum += source[first + 3 * i];
    }
    // Of four pixels a half goes up; of any other number to even.
    const bool quarter = step_x == 2 && step_y == 2;
    target[at.target] = quarter ? (unsigned char)((sum + 2) >> 2) : nearest_level((float)sum * share);
}

// Means over the area of each new pixel: count_x[x] pixels from first_x[x] on, with weights weight_x[k * columns + x]; down alike.
extern "C" __global__ void shrink(
    const unsigned char *source, int source_columns, unsigned char *target, int columns, int rows, int target_columns,
    const int *first_x, const int *count_x, const float *weight_x,
    const int *first_y, const int *count_y, const float *weight_y)
{
    const Place at = place_in(columns, rows, target_columns);
    if (at.outside)
        return;
    const int across = count_x[at.x], down = count_y[at.y];
    float value = 0.0f;
    for (int j = 0; j < down; ++j) {
        const size_t first = ((size_t)(first_y[at.y] + j) * source_columns + first_x[at.x]) * 3 + at.colour;
        float row = 0.0f;
        for (int i = 0; i < across; ++i)
            row += (float)source[first + 3 * i] * weight_x[i * columns + at.x];
        value += row * weight_y[j * rows + at.y];
    }
    target[at.target] = nearest_level(value);
}

// Cubic between four pixels each way from first_x[x] on, those beyond the edge as those at it. Whole weights across.
extern "C" __global__ void grow(
    const unsigned char *source, int source_columns, int source_rows, unsigned char *target, int columns, int rows,
    int target_columns, const int *first_x, const int *weight_x, const int *first_y, const float *weight_y)
{
    const Place at = place_in(columns, rows, target_columns);
    if (at.outside)
        return;
    float value = 0.0f;
    for (int j = 3; j >= 0; --j) {
        const int y = max(0, min(first_y[at.y] + j, source_rows - 1));
        int row = 0;
        for (int i = 0; i < 4; ++i) {
            const int x = max(0, min(first_x[at.x] + i, source_columns - 1));
            row += source[((size_t)y * source_columns + x) * 3 + at.colour] * weight_x[i * columns + at.x];
        }
        value += (float)row * weight_y[j * rows + at.y];
    }
    target[at.target] = nearest_level(value);
}

// Every step'th pixel of every step'th row.
extern "C" __global__ void sample(
    const unsigned char *source, int source_columns, unsigned char *target, int columns, int rows, int step)
{
    const Place at = place_in(columns, rows, columns);
    if (at.outside)
        return;
    target[at.target] = source[((size_t)at.y * step * source_columns + at.x * step) * 3 + at.colour];
}
