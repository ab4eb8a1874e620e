//! Medians and ranges of a few figures, percentiles of many. An empty list has none.

/// The middle one; of an even number the mean of the two in the middle.
pub fn median(figures: &[f64]) -> Option<f64> {
    let sorted = sorted(figures);
    let upper = sorted.get(sorted.len() / 2)?;
    let lower = sorted.get((sorted.len() - 1) / 2)?;
    Some((lower + upper) / 2.0)
}

/// The least and the greatest.
pub fn range(figures: &[f64]) -> Option<(f64, f64)> {
    let sorted = sorted(figures);
    Some((*sorted.first()?, *sorted.last()?))
}

/// The smallest figure that at least this share of them does not exceed.
pub fn percentile(figures: &[f64], share: f64) -> Option<f64> {
    let sorted = sorted(figures);
    let rank = (sorted.len() as f64 * share).ceil().max(1.0) as usize;
    sorted.get(rank - 1).copied()
}

/// How far the figures lie from their median at most, as a share of it.
pub fn spread(figures: &[f64]) -> Option<f64> {
    let (middle, (least, greatest)) = (median(figures)?, range(figures)?);
    (middle > 0.0).then(|| (greatest - middle).max(middle - least) / middle)
}

/// Each figure of `with` against the mean of those of `without` before and after it, so that a slow drift of the machine cancels out.
pub fn paired_ratios(without: &[f64], with: &[f64]) -> Vec<f64> {
    let around = without.windows(2).map(|pair| f64::midpoint(pair[0], pair[1]));
    with.iter().zip(around).filter(|(_, around)| *around > 0.0).map(|(with, around)| with / around).collect()
}

fn sorted(figures: &[f64]) -> Vec<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_in_any_order() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(range(&[3.0, 1.0, 2.0]), Some((1.0, 3.0)));
        assert_eq!(spread(&[90.0, 100.0, 105.0]), Some(0.1));
        assert_eq!((median(&[]), range(&[]), percentile(&[], 0.99), spread(&[])), (None, None, None, None));
    }

    #[test]
    fn percentiles_are_figures_that_occurred() {
        let hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(percentile(&hundred, 0.99), Some(99.0));
        assert_eq!(percentile(&hundred, 1.0), Some(100.0));
        assert_eq!(percentile(&[7.0], 0.99), Some(7.0));
        assert_eq!(percentile(&hundred, 0.0), Some(1.0));
    }

    #[test]
    fn pairs_cancel_a_drift() {
        assert_eq!(paired_ratios(&[100.0, 80.0, 60.0], &[90.0, 35.0]), [1.0, 0.5]);
        assert_eq!(paired_ratios(&[0.0, 0.0], &[1.0]), Vec::<f64>::new());
    }
}
