// Views of cells: squares of a picture, as they are, turned or mirrored, as one batch.
//
// A thread makes one level of one view; blocks' second index is the view's. views: left, top and turn of each.
// turn: mirrored left to right first from 4 on, then turned anticlockwise by so many right angles as it is more than 0 or 4.
extern "C" __global__ void cut(
    const unsigned char *picture, int columns, const int *views, unsigned char *batch, int side)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    const int levels = side * side * 3;
    if (i >= levels)
        return;
    const int *view = views + 3 * blockIdx.y;
    const int pixel = i / 3, colour = i - 3 * pixel;
    const int row = pixel / side, column = pixel - row * side, last = side - 1;
    int y = row, x = column;
    switch (view[2] & 3) {
    case 1:
        y = column;
        x = last - row;
        break;
    case 2:
        y = last - row;
        x = last - column;
        break;
    case 3:
        y = last - column;
        x = row;
        break;
    }
    if (view[2] & 4)
        x = last - x;
    batch[(size_t)blockIdx.y * levels + i] =
        picture[((size_t)(view[1] + y) * columns + view[0] + x) * 3 + colour];
}
