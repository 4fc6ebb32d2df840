//! Names in natural order.

use std::cmp::Ordering;

/// Digits compare as numbers, everything else by bytes.
pub(super) fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        let (run_a, run_b) = (digits(a), digits(b));
        if run_a > 0 && run_b > 0 {
            let (x, y) = (significant(&a[..run_a]), significant(&b[..run_b]));
            let order = x.len().cmp(&y.len()).then_with(|| x.cmp(y));
            // Equal numbers of different spelling (`01`, `1`) still need an order.
            let order = order.then_with(|| run_a.cmp(&run_b));
            if order != Ordering::Equal {
                return order;
            }
            (a, b) = (&a[run_a..], &b[run_b..]);
            continue;
        }
        match (a.split_first(), b.split_first()) {
            (Some((x, rest_a)), Some((y, rest_b))) if x == y => (a, b) = (rest_a, rest_b),
            (x, y) => return x.map(|x| x.0).cmp(&y.map(|y| y.0)),
        }
    }
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|c| c.is_ascii_digit()).count()
}

fn significant(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|c| **c == b'0').count();
    &digits[zeros..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn natural_order_counts() {
        let mut names = ["h.10.a", "h.2.b", "h.2.a", "h", "h.02.a", "g.11"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["g.11", "h", "h.2.a", "h.2.b", "h.02.a", "h.10.a"]);
    }
}
