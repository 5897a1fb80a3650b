/*
 * LeNet-5 in integers of 8 bits, written by lenet @VERSION@@DATASET@.
 *
 *     #include <stdio.h>
 *     #include <this file>
 *
 *     uint8_t pixels[784];               28 rows of 28 pixels, 0 to 255: @PICTURES@
 *     int32_t logits[LENET5_CLASSES];    in units of 1/65536
 *     puts(lenet5_class_names[lenet5_classify(pixels, logits)]);
 *
 * C99 without library and without floating-point numbers: @ROM@ bytes of constants, and some
 * 3 KB of stack. softmax(logits / 65536) gives probabilities.
 */
#ifndef LENET5_INT8_H
#define LENET5_INT8_H

#include <stdint.h>

#define LENET5_CLASSES @CLASSES@
#define LENET5_PADDING @PADDING@
#define LENET5_SIDE @SIDE@
#define LENET5_POOLED1 ((LENET5_SIDE - 4) / 2)
#define LENET5_POOLED2 ((LENET5_POOLED1 - 4) / 2)

typedef struct {
    const int8_t *weight;    /* output channels first */
    const int32_t *bias;     /* less the input's zero point times the weights */
    const int32_t *mantissa; /* sums times mantissa / 2^shift are what goes out */
    const uint8_t *shift;
    const int8_t *table;     /* the activation's values for -128 to 127, or 0 for ReLU */
    int32_t zero_point;      /* what stands for 0 in what goes out */
    int8_t input_zero_point; /* and in what comes in */
    int32_t pool_offset;     /* of convolutions: the sum of four, plus this, times mantissa / */
    int32_t pool_mantissa;   /* 2^shift, plus the zero point, is their mean */
    int32_t pool_zero_point;
    uint8_t pool_shift;
} lenet5_layer;

@CONSTANTS@

/* sum * mantissa / 2^shift, rounded to the nearest, halves up. */
static inline int32_t lenet5_scaled(int32_t sum, int32_t mantissa, uint8_t shift)
{
    const int64_t half = (int64_t)1 << (shift - 1);
    const int64_t product = (int64_t)sum * mantissa + half;
    /* What a shift to the right makes of a negative number is left to the compiler by C99. */
    const int64_t scaled = product < 0 ? ~(~product >> shift) : product >> shift;
    return scaled < INT32_MIN ? INT32_MIN : scaled > INT32_MAX ? INT32_MAX : (int32_t)scaled;
}

static inline int32_t lenet5_bounded(int32_t value, int32_t zero_point)
{
    value = value < -512 ? -512 : value > 512 ? 512 : value;
    value += zero_point;
    return value < -128 ? -128 : value > 127 ? 127 : value;
}

/* The bounds of int8 are those of ReLU where its zero point is -128. */
static inline int8_t lenet5_activated(const lenet5_layer *layer, int channel, int32_t sum)
{
    int32_t value = lenet5_scaled(sum, layer->mantissa[channel], layer->shift[channel]);
    value = lenet5_bounded(value, layer->zero_point);
    return layer->table ? layer->table[value + 128] : (int8_t)value;
}

/* Convolution of 5x5, activation and mean of 2x2: (maps, side, side) to (channels, p, p) with
   p = (side - 4) / 2. */
static inline void lenet5_conv(const lenet5_layer *layer, const int8_t *input, int maps, int side,
                               int channels, int8_t *output)
{
    const int pooled = (side - 4) / 2;
    for (int channel = 0; channel < channels; channel++) {
        for (int row = 0; row < pooled; row++) {
            for (int column = 0; column < pooled; column++) {
                int32_t four = layer->pool_offset;
                for (int place = 0; place < 4; place++) {
                    const int top = 2 * row + place / 2, left = 2 * column + place % 2;
                    const int8_t *weight = layer->weight + channel * maps * 25;
                    int32_t sum = layer->bias[channel];
                    for (int map = 0; map < maps; map++) {
                        for (int y = 0; y < 5; y++) {
                            const int8_t *x = input + (map * side + top + y) * side + left;
                            sum += (int32_t)weight[0] * x[0] + weight[1] * x[1] + weight[2] * x[2]
                                 + weight[3] * x[3] + weight[4] * x[4];
                            weight += 5;
                        }
                    }
                    four += lenet5_activated(layer, channel, sum);
                }
                four = lenet5_scaled(four, layer->pool_mantissa, layer->pool_shift);
                *output++ = (int8_t)lenet5_bounded(four, layer->pool_zero_point);
            }
        }
    }
}

static inline int32_t lenet5_sum(const lenet5_layer *layer, const int8_t *input, int inputs,
                                 int channel)
{
    const int8_t *weight = layer->weight + (int32_t)channel * inputs;
    int32_t sum = layer->bias[channel];
    for (int i = 0; i < inputs; i++) {
        sum += weight[i] * input[i];
    }
    return sum;
}

static inline void lenet5_linear(const lenet5_layer *layer, const int8_t *input, int inputs,
                                 int channels, int8_t *output)
{
    for (int channel = 0; channel < channels; channel++) {
        const int32_t sum = lenet5_sum(layer, input, inputs, channel);
        output[channel] = lenet5_activated(layer, channel, sum);
    }
}

/* The class of a picture; its logits in units of 1/65536. */
static inline int lenet5_classify(const uint8_t pixels[784], int32_t logits[LENET5_CLASSES])
{
    int8_t image[LENET5_SIDE * LENET5_SIDE];
    int8_t pooled1[6 * LENET5_POOLED1 * LENET5_POOLED1];
    int8_t pooled2[16 * LENET5_POOLED2 * LENET5_POOLED2];
    int8_t features1[120], features2[84];
    int best = 0;

    for (int i = 0; i < LENET5_SIDE * LENET5_SIDE; i++) {
        image[i] = lenet5_conv1.input_zero_point;
    }
    for (int i = 0; i < 784; i++) {
        const int row = i / 28 + LENET5_PADDING, column = i % 28 + LENET5_PADDING;
        image[row * LENET5_SIDE + column] = (int8_t)(pixels[i] - 128);
    }
    lenet5_conv(&lenet5_conv1, image, 1, LENET5_SIDE, 6, pooled1);
    lenet5_conv(&lenet5_conv2, pooled1, 6, LENET5_POOLED1, 16, pooled2);
    lenet5_linear(&lenet5_fc1, pooled2, 16 * LENET5_POOLED2 * LENET5_POOLED2, 120, features1);
    lenet5_linear(&lenet5_fc2, features1, 120, 84, features2);
    for (int channel = 0; channel < LENET5_CLASSES; channel++) {
        const int32_t sum = lenet5_sum(&lenet5_fc3, features2, 84, channel);
        logits[channel] =
            lenet5_scaled(sum, lenet5_fc3.mantissa[channel], lenet5_fc3.shift[channel]);
        if (logits[channel] > logits[best]) {
            best = channel;
        }
    }
    return best;
}

#endif
