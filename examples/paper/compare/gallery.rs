//! The pictures of the report.

use std::io::Cursor;
use std::path::Path;

use base64::Engine as _;
use denoised_weights_examples::Result;
use image::{ImageFormat, RgbImage};
use result_figures::{Column, write_grid};
use serde::Serialize;

use crate::charts::{concept_curves, page_svg};
use crate::results::{Pictures, Results};

/// Pictures of one concept, with the images as data URIs.
#[derive(Serialize)]
pub(crate) struct Gallery {
    name: String,
    prompt: String,
    columns: Vec<GalleryColumn>,
    curves: String,
}

#[derive(Serialize)]
pub(crate) struct GalleryColumn {
    label: String,
    images: Vec<String>,
}

pub(crate) fn galleries(results: &Results) -> Result<Vec<Gallery>> {
    let entries = &results.json.report.concepts;
    (results.pictures.iter())
        .map(|(name, pictures)| {
            let entry = (entries.iter())
                .find(|entry| entry.name == *name)
                .ok_or_else(|| format!("{name} has pictures and no figures"))?;
            let title = format!("{name}, seed {}", entry.seed);
            Ok(Gallery {
                name: name.clone(),
                prompt: entry.prompt.clone(),
                columns: columns(results, pictures)
                    .into_iter()
                    .map(|(label, images)| {
                        let images = images.iter().map(data_uri).collect::<Result<_>>()?;
                        Ok(GalleryColumn { label, images })
                    })
                    .collect::<Result<_>>()?,
                curves: page_svg(&concept_curves(entry, &results.methods, &title))?,
            })
        })
        .collect()
}

/// Photo, target, each method after its training; ours before it as well.
fn columns<'a>(results: &Results, pictures: &'a Pictures) -> Vec<(String, &'a [RgbImage])> {
    let mut columns: Vec<(String, &[RgbImage])> = vec![
        ("photo".to_owned(), &pictures.shown.before),
        ("target".to_owned(), &pictures.shown.after),
    ];
    for method in &results.methods {
        let Some(strip) = pictures.methods.get(method) else {
            continue;
        };
        if method == "denoised" {
            columns.push(("denoised, untrained".to_owned(), &strip.before));
        }
        if !matches!(method.as_str(), "wrong_prompt" | "denoised_l1") {
            columns.push((method.clone(), &strip.after));
        }
    }
    columns
}

/// Figure 3: a photo of each concept in every column.
pub(crate) fn write_overview(path: &Path, results: &Results) -> Result<()> {
    let mut sheet: Vec<Column> = Vec::new();
    for (row, (_, pictures)) in results.pictures.iter().enumerate() {
        for (label, images) in columns(results, pictures) {
            let caption = label.replacen(", ", "\n", 1);
            let Some(image) = images.get(row % images.len().max(1)) else {
                continue;
            };
            let column = match sheet.iter().position(|column| column.caption == caption) {
                Some(column) => column,
                None => {
                    sheet.push(Column::new(caption, Vec::new()));
                    sheet.len() - 1
                }
            };
            // A concept that lacks the column leaves a gap.
            let blank = RgbImage::from_pixel(image.width(), image.height(), image::Rgb([255; 3]));
            sheet[column].images.resize(row, blank);
            sheet[column].images.push(image.clone());
        }
    }
    Ok(write_grid(path, &sheet)?)
}

fn data_uri(image: &RgbImage) -> Result<String> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Png)?;
    let text = base64::engine::general_purpose::STANDARD.encode(bytes.get_ref());
    Ok(format!("data:image/png;base64,{text}"))
}
