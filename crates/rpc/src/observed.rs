use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use tokio::time::Sleep;
use tonic::body::Body;

use tonic::{Code, Status};

use crate::call::CallRecord;
use crate::replicas::interrupted;

/// A response body that ends its call's record with the status in the trailers, and ends itself at a deadline.
struct Observed {
    body: Body,
    record: CallRecord,
    deadline: Option<Instant>,
    /// Made only when the body is not there at once.
    alarm: Option<Pin<Box<Sleep>>>,
}

/// Wraps the body of a response, whose headers may already tell the status.
pub(crate) fn observe(
    response: http::Response<Body>,
    mut record: CallRecord,
    deadline: Option<Instant>,
) -> http::Response<Body> {
    record.end_with(response.headers());
    response.map(|body| Body::new(Observed { body, record, deadline, alarm: None }.boxed_unsync()))
}

impl http_body::Body for Observed {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<http_body::Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) else {
            return this.poll_alarm(cx);
        };
        match &frame {
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref() {
                    this.record.end_with(trailers);
                }
            }
            Some(Err(_)) => {
                let frame = frame.map(|frame| frame.map_err(interrupted));
                if let Some(Err(status)) = &frame {
                    this.record.end(status.code());
                }
                return Poll::Ready(frame);
            }
            None if this.record.has_ended() => {}
            None => this.record.end(Code::Unknown),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

impl Observed {
    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<http_body::Frame<Bytes>, Status>>> {
        let Some(deadline) = self.deadline else {
            return Poll::Pending;
        };
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline.into())));
        alarm.as_mut().poll(cx).map(|()| {
            self.record.end(Code::DeadlineExceeded);
            Some(Err(Status::deadline_exceeded("the answer did not end in time")))
        })
    }
}
