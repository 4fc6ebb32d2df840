//! Records, and what a data set refuses.

use crate::common::{BLOCK, WIDTH, dataset, layout, text, weights};
use weight_blocks::{GroupingRule, Layout, Normalization, Normalizer};
use weight_diffusion::encoded_text::EncodedPrompt;
use weight_diffusion::{BlockDataset, BlockSource, Error};

#[test]
fn records_are_the_normalised_blocks_in_order() {
    let data = dataset();
    let blocks = data.layout().blocks();
    assert_eq!((blocks, data.networks(), data.records()), (5, 2, 10));
    let mut expected = weights(data.layout(), 2);
    data.normalizer().normalize(&mut expected).unwrap();
    let mut block = [9.0; BLOCK];
    for n in 0..blocks {
        assert_eq!(data.read_record(blocks + n, &mut block).unwrap(), (n, 1));
        assert_eq!(block, expected[n * BLOCK..(n + 1) * BLOCK]);
    }
    assert!(matches!(
        data.read_record(10, &mut block),
        Err(Error::Shape { .. })
    ));
    // 70 weights in 80 places: the padding is zero.
    data.read_record(4, &mut block).unwrap();
    assert!(block[6..].iter().all(|&w| w == 0.0));
}

#[test]
fn norms_are_of_the_raw_weights() {
    let data = dataset();
    let norm = |seed| {
        weights(data.layout(), seed)
            .iter()
            .map(|v| f64::from(*v).powi(2))
            .sum::<f64>()
            .sqrt()
    };
    let (a, b): (f64, f64) = (norm(1), norm(2));
    assert!((data.norm().mean - (a + b) / 2.0).abs() < 1e-12);
    assert!((data.norm().std - (a - b).abs() / 2.0).abs() < 1e-9);
}

#[test]
fn what_does_not_fit_is_refused() {
    let layout = layout("first");
    let good = weights(&layout, 1);
    let normalizer = Normalizer::fit(&layout, Normalization::None, [good.as_slice()]).unwrap();
    let new = |texts: Vec<EncodedPrompt>, entries| {
        let made = BlockDataset::new(layout.clone(), normalizer.clone(), texts, WIDTH, entries);
        made.err().unwrap()
    };
    assert!(matches!(
        new(vec![text(1, 2)], vec![]),
        Error::EmptyDataset { .. }
    ));
    assert!(matches!(
        new(vec![], vec![(0, good.clone())]),
        Error::Shape { .. }
    ));
    let short = vec![(0, good[1..].to_vec())];
    assert!(matches!(new(vec![text(1, 2)], short), Error::Shape { .. }));
    let narrow = EncodedPrompt::new(vec![0.0; 5], 2);
    assert!(matches!(
        new(vec![narrow], vec![(0, good.clone())]),
        Error::Prompt(_)
    ));
    let rule = GroupingRule::Concatenated;
    let other = Layout::new("tiny", layout.groups().to_vec(), rule, BLOCK).unwrap();
    let one = vec![(0, good.clone())];
    let made = BlockDataset::new(other, normalizer.clone(), vec![text(1, 2)], WIDTH, one);
    let error = made.unwrap_err();
    assert!(matches!(error, Error::Blocks(_)), "{error}");
    assert!(error.to_string().contains("Concatenated"), "{error}");
    let mut broken = good;
    broken[3] = f32::NAN;
    let error = new(vec![text(1, 2)], vec![(0, broken)]);
    assert!(error.to_string().contains("weight 3 of entry 0"), "{error}");
}
