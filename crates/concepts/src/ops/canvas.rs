//! Images as floats from 0 to 1, and the Gaussian blur.

use image::{Rgb, RgbImage};

/// ITU-R BT.601.
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

/// A length of `pixels` at the reference side, in pixels of an image of `side`; from 0 to `side`.
pub(super) fn scaled(pixels: f32, scale: f32, side: u32) -> f32 {
    let length = pixels * scale;
    if length.is_nan() {
        0.0
    } else {
        length.clamp(0.0, side as f32)
    }
}

pub(super) fn luma(pixel: [f32; 3]) -> f32 {
    pixel.iter().zip(LUMA).map(|(v, weight)| v * weight).sum()
}

pub(super) fn colour(rgb: [u8; 3]) -> [f32; 3] {
    rgb.map(|v| f32::from(v) / 255.0)
}

/// `pixels` [height * width] with N channels each.
#[derive(Debug, Clone)]
pub(super) struct Grid<const N: usize> {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) pixels: Vec<[f32; N]>,
}

pub(super) type Canvas = Grid<3>;
pub(super) type Plane = Grid<1>;

impl Canvas {
    pub(super) fn from_image(image: &RgbImage) -> Self {
        Self {
            width: image.width() as usize,
            height: image.height() as usize,
            pixels: image.pixels().map(|pixel| colour(pixel.0)).collect(),
        }
    }

    pub(super) fn into_image(self) -> RgbImage {
        let width = self.width;
        RgbImage::from_fn(width as u32, self.height as u32, |x, y| {
            let pixel = self.pixels[y as usize * width + x as usize];
            // `as` saturates, and turns NaN into 0.
            Rgb(pixel.map(|v| (v * 255.0).round() as u8))
        })
    }

    pub(super) fn luma(&self) -> Plane {
        Grid {
            width: self.width,
            height: self.height,
            pixels: self.pixels.iter().map(|&pixel| [luma(pixel)]).collect(),
        }
    }

    /// Replaces every channel of every pixel.
    pub(super) fn each(&mut self, f: impl Fn(f32) -> f32) {
        for pixel in &mut self.pixels {
            *pixel = pixel.map(&f);
        }
    }

    /// Replaces every pixel by a grey of `plane`.
    pub(super) fn set_grey(&mut self, plane: impl Iterator<Item = f32>) {
        for (pixel, grey) in self.pixels.iter_mut().zip(plane) {
            *pixel = [grey; 3];
        }
    }
}

impl<const N: usize> Grid<N> {
    /// The pixel at (x, y), or the nearest one on the border.
    pub(super) fn at(&self, x: isize, y: isize) -> [f32; N] {
        let x = x.clamp(0, self.width as isize - 1) as usize;
        let y = y.clamp(0, self.height as isize - 1) as usize;
        self.pixels[y * self.width + x]
    }

    /// Gaussian blur whose border repeats the outermost pixels. `sigma` in pixels of this grid.
    pub(super) fn blur(&self, sigma: f32) -> Self {
        if sigma < 0.05 {
            return self.clone();
        }
        let reach = (3.0 * sigma).ceil() as isize;
        let mut kernel: Vec<f32> = (-reach..=reach)
            .map(|d| (-((d * d) as f32) / (2.0 * sigma * sigma)).exp())
            .collect();
        let sum: f32 = kernel.iter().sum();
        for weight in &mut kernel {
            *weight /= sum;
        }
        self.convolved(&kernel, reach, 1, 0)
            .convolved(&kernel, reach, 0, 1)
    }

    fn convolved(&self, kernel: &[f32], reach: isize, dx: isize, dy: isize) -> Self {
        let mut pixels = Vec::with_capacity(self.pixels.len());
        for y in 0..self.height as isize {
            for x in 0..self.width as isize {
                let mut sum = [0.0; N];
                for (d, weight) in (-reach..=reach).zip(kernel) {
                    let pixel = self.at(x + d * dx, y + d * dy);
                    for (total, value) in sum.iter_mut().zip(pixel) {
                        *total += weight * value;
                    }
                }
                pixels.push(sum);
            }
        }
        Self {
            width: self.width,
            height: self.height,
            pixels,
        }
    }
}

impl Plane {
    /// Sobel's gradient (x, y) at every pixel; (1, 0) and (0, 1) at steps from 0 to 1.
    pub(super) fn gradient(&self) -> impl Iterator<Item = (f32, f32)> + '_ {
        (0..self.height as isize).flat_map(move |y| {
            (0..self.width as isize).map(move |x| {
                let v = |dx: isize, dy: isize| self.at(x + dx, y + dy)[0];
                let gx = v(1, -1) + 2.0 * v(1, 0) + v(1, 1) - v(-1, -1) - 2.0 * v(-1, 0) - v(-1, 1);
                let gy = v(-1, 1) + 2.0 * v(0, 1) + v(1, 1) - v(-1, -1) - 2.0 * v(0, -1) - v(1, -1);
                (gx / 4.0, gy / 4.0)
            })
        })
    }
}
