//! Futures that go on at the same time, on one connection.

use std::pin::Pin;
use std::task::Poll;

/// Waits for all of these at the same time. Each is polled first in its turn, so that what they send
/// goes out in their order.
pub(super) async fn all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut futures: Vec<Pin<Box<F>>> = futures.map(Box::pin).collect();
    let mut outputs: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        let mut waits = false;
        for (future, output) in futures.iter_mut().zip(&mut outputs) {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    Poll::Ready(ready) => *output = Some(ready),
                    Poll::Pending => waits = true,
                }
            }
        }
        if waits { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    outputs.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_are_polled_in_their_order() {
        let order = std::sync::Mutex::new(Vec::new());
        let one = |n: usize| {
            let order = &order;
            async move {
                order.lock().unwrap().push(n);
                tokio::task::yield_now().await;
                n
            }
        };
        assert_eq!(all((0..5).map(one)).await, [0, 1, 2, 3, 4]);
        assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4]);
    }
}
