//! report.html, report.md, report.json, and the pictures beside them.

use std::path::Path;

use denoised_weights_examples::{Result, files};
use minijinja::{Environment, Value, context};
use result_figures::write_chart;

use crate::cells::{Cells, cells, concept_cells, improvement_cells};
use crate::charts::{budget_curves, mean_curves, page_svg};
use crate::gallery::{galleries, write_overview};
use crate::improvement::SHARES;
use crate::results::Results;

const HTML: &str = include_str!("report.html.jinja");
const MARKDOWN: &str = include_str!("report.md.jinja");

/// Writes all forms of the report to `out`.
pub(crate) fn write(out: &Path, results: &Results) -> Result<()> {
    files::write_json(&out.join("report.json"), &results.json)?;
    write_chart(&out.join("curves.svg"), &mean_curves(results))?;
    if let Some(chart) = budget_curves(results) {
        write_chart(&out.join("speedup.svg"), &chart)?;
    }
    write_overview(&out.join("grid.png"), results)?;
    files::write(&out.join("report.md"), markdown(results)?.as_bytes())?;
    Ok(files::write(
        &out.join("report.html"),
        html(results)?.as_bytes(),
    )?)
}

fn markdown(results: &Results) -> Result<String> {
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.add_filter("cell", |text: String| {
        text.replace('|', "\\|").replace('\n', " ")
    });
    Ok(environment.render_str(MARKDOWN, shared(results))?)
}

/// What both pages say.
fn shared(results: &Results) -> Value {
    let rows: Vec<Cells> = results.json.table.iter().map(cells).collect();
    context! {
        rows => rows,
        shares => SHARES.map(|share| format!("{:.0} %", 100.0 * share)),
        improvements => improvement_cells(results),
        concepts => concept_cells(results),
        quality => results.json.report.quality,
        machine => results.json.machine,
        seeds => results.json.seeds,
        command => results.json.command,
        device => results.json.report.device,
    }
}

fn html(results: &Results) -> Result<String> {
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.add_template("report.html", HTML)?;
    let budget = budget_curves(results)
        .map(|chart| page_svg(&chart))
        .transpose()?;
    Ok(environment.get_template("report.html")?.render(context! {
        curves => page_svg(&mean_curves(results))?,
        budget => budget,
        galleries => galleries(results)?,
        ..shared(results)
    })?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use image::RgbImage;

    use super::*;
    use crate::improvement::improvements;
    use crate::results::{Json, Machine, Pictures};
    use crate::store::Strip;
    use crate::table::{budgets, rows};
    use denoised_weights::comparison::{ComparisonReport, ConceptReport};
    use denoised_weights::comparison::{Measurement, MethodReport};

    const HOSTILE: &str = "ink | \"<script>alert(1)</script>\" & more";

    fn results() -> Results {
        let run = |curve: &[(f64, f64)]| MethodReport {
            predict_seconds: 0.0,
            start_norm: None,
            origin: None,
            zoo_distance: None,
            curve: (curve.iter().zip(0..))
                .map(|(&(seconds, quality), epoch)| Measurement {
                    epoch: f64::from(epoch),
                    seconds,
                    quality,
                    kid: 0.25,
                    l1: 0.5,
                    ssim: 0.75,
                })
                .collect(),
            final_quality: curve.last().unwrap().1,
            seconds_to_zero_final: None,
        };
        let mut entry = ConceptReport {
            name: "ink".into(),
            prompt: HOSTILE.into(),
            seed: 3,
            n_train: 1,
            n_test: 2,
            methods: BTreeMap::from([
                ("zero".into(), run(&[(0.0, 90.0), (4.0, 50.0)])),
                ("denoised".into(), run(&[(0.0, 60.0), (2.0, 40.0)])),
            ]),
        };
        entry.resolve_targets();
        let methods = vec!["zero".to_owned(), "denoised".to_owned(), "mean".to_owned()];
        let strip = |value| Strip {
            before: vec![RgbImage::from_pixel(4, 4, image::Rgb([value; 3])); 2],
            after: vec![RgbImage::from_pixel(4, 4, image::Rgb([value + 1; 3])); 2],
        };
        let entries = vec![entry.clone()];
        let mut report = ComparisonReport::new(3, "flex", "frechet-test");
        report.add(entry);
        Results {
            json: Json {
                table: rows(&entries, &methods),
                budgets: budgets(&entries, &methods),
                improvements: improvements(&entries, &methods),
                report,
                seeds: vec![3],
                machine: Machine {
                    processor: "a <b>".into(),
                    cores: 2,
                    threads: None,
                    system: "linux".into(),
                },
                command: "compare --seeds 1".into(),
            },
            pictures: vec![(
                "ink".into(),
                Pictures {
                    shown: strip(1),
                    methods: [("zero", 3), ("denoised", 5)]
                        .map(|(name, value)| (name.to_owned(), strip(value)))
                        .into(),
                },
            )],
            methods,
        }
    }

    #[test]
    fn the_page_asks_for_nothing_and_escapes_prompts() {
        let html = html(&results()).unwrap();
        assert!(!html.contains("<script>alert"));
        assert!(html.contains("&lt;script&gt;alert(1)&lt;&#x2f;script&gt;"));
        assert!(html.contains("a &lt;b&gt;"));
        // The namespace of inline SVG is a name, not an address.
        let addresses = html.replace("http://www.w3.org/2000/svg", "");
        assert!(!addresses.contains("http:") && !addresses.contains("https:"));
        for outside in ["<link rel=\"stylesheet", "src=\"//", "@import", "url("] {
            assert!(!html.contains(outside), "{outside}");
        }
        // Photo, target, zero, denoised before and after; overview and two photos of the gallery.
        assert_eq!(
            html.matches("<img alt=").count() + html.matches("<img loading").count(),
            5 + 2 * 5 + 1
        );
        assert!(html.contains("currentColor") && !html.contains("#010203"));
        assert!(
            html.contains("40<small>40 to 40</small>"),
            "figures with their intervals"
        );
    }

    #[test]
    fn markdown_tables_keep_their_columns() {
        let text = markdown(&results()).unwrap();
        let width = |line: &str| line.replace("\\|", "").matches('|').count();
        for table in text.split("\n\n").filter(|part| part.starts_with('|')) {
            let widths: Vec<usize> = table.lines().map(width).collect();
            assert!(
                widths.len() > 2 && widths.iter().all(|w| *w == widths[0]),
                "{table}"
            );
        }
        assert!(
            text.contains("| LoRA generated from the prompt (ours) | 1/1 | 2.00 |"),
            "{text}"
        );
        assert!(text.contains("E²GAN: LoRA from zero"));
    }

    #[test]
    fn all_forms_are_written() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &results()).unwrap();
        for name in [
            "report.html",
            "report.md",
            "report.json",
            "curves.svg",
            "speedup.svg",
            "grid.png",
        ] {
            assert!(dir.path().join(name).is_file(), "{name}");
        }
        let json: serde_json::Value =
            serde_json::from_slice(&std::fs::read(dir.path().join("report.json")).unwrap())
                .unwrap();
        assert_eq!(json["version"], 3);
        assert_eq!(
            json["concepts"][0]["methods"]["denoised"]["seconds_to_zero_final"],
            2.0
        );
        assert_eq!(json["table"][1]["speedup_over_zero"]["value"], 2.0);
    }
}
