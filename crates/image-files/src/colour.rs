//! Colour profiles.

use image::{DynamicImage, ImageBuffer, Pixel};
use moxcms::{CmsError, ColorProfile, DataColorSpace, Layout, TransformExecutor, TransformOptions};

/// A profile that moves no colour by more than this, of 255, is taken to be sRGB: programs write sRGB's curve and primaries
/// with roundings of their own.
const SAME: u8 = 2;

/// `image` in sRGB. If the profile is sRGB, its pixels are left as they are. The error says what is wrong with the profile.
pub(crate) fn to_srgb(image: DynamicImage, profile: &[u8]) -> Result<DynamicImage, String> {
    let profile = ColorProfile::new_from_slice(profile).map_err(|error| error.to_string())?;
    let profile = match profile.color_space {
        DataColorSpace::Rgb => profile,
        DataColorSpace::Gray if image.color().has_color() => {
            return Err("it is for grey images, and this one has colours".to_owned());
        }
        DataColorSpace::Gray => grey_as_rgb(&profile)?,
        DataColorSpace::Cmyk => return Err("it is for printing in CMYK".to_owned()),
        other => return Err(format!("it is for colours of the kind {other:?}")),
    };
    convert(image, &profile).map_err(|error| error.to_string())
}

/// Equal red, green and blue, each with the curve of grey.
fn grey_as_rgb(profile: &ColorProfile) -> Result<ColorProfile, String> {
    let curve = profile.gray_trc.as_ref();
    let curve = curve.ok_or_else(|| "it is for grey and has no curve".to_owned())?;
    let mut rgb = ColorProfile::new_srgb();
    // It would win over the curves.
    rgb.cicp = None;
    for channel in [&mut rgb.red_trc, &mut rgb.green_trc, &mut rgb.blue_trc] {
        *channel = Some(curve.clone());
    }
    Ok(rgb)
}

fn convert(image: DynamicImage, profile: &ColorProfile) -> Result<DynamicImage, CmsError> {
    let srgb = ColorProfile::new_srgb();
    let options = TransformOptions {
        prefer_fixed_point: false,
        ..TransformOptions::default()
    };
    let bytes = |layout| profile.create_transform_8bit(layout, &srgb, layout, options);
    let words = |layout| profile.create_transform_16bit(layout, &srgb, layout, options);
    if is_identity(&*bytes(Layout::Rgb)?)? {
        return Ok(image);
    }
    let kind = image.color();
    let wide = kind.bytes_per_pixel() > kind.channel_count();
    Ok(match (wide, kind.has_alpha()) {
        (false, false) => apply(&*bytes(Layout::Rgb)?, &image.into_rgb8())?.into(),
        (false, true) => apply(&*bytes(Layout::Rgba)?, &image.into_rgba8())?.into(),
        (true, false) => apply(&*words(Layout::Rgb)?, &image.into_rgb16())?.into(),
        (true, true) => apply(&*words(Layout::Rgba)?, &image.into_rgba16())?.into(),
    })
}

/// Whether a transform keeps all colours of a grid.
fn is_identity(transform: &dyn TransformExecutor<u8>) -> Result<bool, CmsError> {
    let steps = || (0..=255u8).step_by(17);
    let colours: Vec<u8> = steps()
        .flat_map(|red| {
            steps().flat_map(move |green| steps().flat_map(move |blue| [red, green, blue]))
        })
        .collect();
    let mut converted = vec![0; colours.len()];
    transform.transform(&colours, &mut converted)?;
    let moved = colours.iter().zip(&converted).map(|(a, b)| a.abs_diff(*b));
    Ok(moved.max().unwrap_or(0) <= SAME)
}

fn apply<P: Pixel>(
    transform: &dyn TransformExecutor<P::Subpixel>,
    image: &ImageBuffer<P, Vec<P::Subpixel>>,
) -> Result<ImageBuffer<P, Vec<P::Subpixel>>, CmsError>
where
    P::Subpixel: Default,
{
    let mut converted = ImageBuffer::new(image.width(), image.height());
    transform.transform(image, &mut converted)?;
    Ok(converted)
}
