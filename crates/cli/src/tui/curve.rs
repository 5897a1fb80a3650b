//! The points of a curve, as many as a terminal shows.

/// A curve has fewer points: no terminal is wider.
const MOST: usize = 512;

/// The points of a curve. Where there are too many, neighbours become one, their mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    points: Vec<(f64, f64)>,
    /// How many values each point is the mean of.
    values_per_point: u32,
    /// Values that are not yet a point.
    pending: u32,
    sum: (f64, f64),
}

impl Default for Curve {
    fn default() -> Self {
        Self {
            points: Vec::new(),
            values_per_point: 1,
            pending: 0,
            sum: (0., 0.),
        }
    }
}

impl Curve {
    /// Adds a value; what is no number is left out.
    pub fn push(&mut self, x: f64, y: f64) {
        if !x.is_finite() || !y.is_finite() {
            return;
        }
        self.sum.0 += x;
        self.sum.1 += y;
        self.pending += 1;
        if self.pending < self.values_per_point {
            return;
        }
        let count = f64::from(self.pending);
        self.points.push((self.sum.0 / count, self.sum.1 / count));
        self.pending = 0;
        self.sum = (0., 0.);
        if self.points.len() >= MOST {
            let (pairs, _) = self.points.as_chunks::<2>();
            let mean = |[a, b]: &[(f64, f64); 2]| ((a.0 + b.0) / 2., (a.1 + b.1) / 2.);
            self.points = pairs.iter().map(mean).collect();
            self.values_per_point *= 2;
        }
    }

    /// The points.
    pub fn points(&self) -> &[(f64, f64)] {
        &self.points
    }

    /// A point for each of so many columns from 0 to `end` that has any: the mean of its points.
    /// Losses of steps are noise; drawn one upon the other they are a blot.
    pub fn by_column(&self, columns: u16, end: f64) -> Vec<(f64, f64)> {
        let column = |point: &(f64, f64)| (f64::from(columns) * point.0 / end) as u64;
        let columns = self.points.chunk_by(|a, b| column(a) == column(b));
        let mean = |points: &[(f64, f64)]| {
            let count = points.len() as f64;
            let sum = points
                .iter()
                .fold((0., 0.), |sum, p| (sum.0 + p.0, sum.1 + p.1));
            (sum.0 / count, sum.1 / count)
        };
        columns.map(mean).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_points_are_kept() {
        let mut curve = Curve::default();
        for x in 0..5 {
            curve.push(f64::from(x), f64::from(10 * x));
        }
        curve.push(5., f64::NAN);
        curve.push(f64::INFINITY, 5.);
        assert_eq!(
            curve.points(),
            [(0., 0.), (1., 10.), (2., 20.), (3., 30.), (4., 40.)]
        );
    }

    #[test]
    fn one_a_column() {
        let mut curve = Curve::default();
        for (x, y) in [(0., 8.), (0.5, 4.), (1., 3.), (3.5, 1.), (4., 0.)] {
            curve.push(x, y);
        }
        let columns = curve.by_column(4, 4.);
        assert_eq!(columns, [(0.25, 6.), (1., 3.), (3.5, 1.), (4., 0.)]);
        assert_eq!(curve.by_column(0, 4.), [(1.8, 3.2)]);
    }

    #[test]
    fn many_become_means() {
        let mut curve = Curve::default();
        let count = 100_000;
        for x in 0..count {
            curve.push(f64::from(x), 3. * f64::from(x));
        }
        let points = curve.points();
        assert!(
            (MOST / 2 - 1..MOST).contains(&points.len()),
            "{}",
            points.len()
        );
        let width = points[1].0 - points[0].0;
        assert_eq!(width, 256.);
        for (index, (x, y)) in points.iter().enumerate() {
            assert_eq!(*x, 127.5 + width * index as f64);
            assert_eq!(*y, 3. * x);
        }
    }
}
