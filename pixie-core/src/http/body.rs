//! `Body`: the bytes of a request or a response, whole or as a stream.
//!
//! A whole body needs no allocation except for its bytes; only a stream is boxed. The code that sends or
//! collects a stream polls it.
use std::{
    any::Any,
    future::poll_fn,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::BoxError;

type BoxStream = Pin<Box<dyn HttpBody<Data = Bytes, Error = BoxError> + Send>>;

/// The body of a request or a response.
///
/// As an argument of an async route, it is a stream that still arrives. Handlers of other kinds get it whole.
///
/// ```
/// use pixie_core::Body;
/// assert_eq!(Body::from("text").as_bytes(), Some(&b"text"[..]));
/// assert!(Body::empty().is_empty());
///
/// /// Sends the body back while it arrives.
/// async fn echo(body: Body) -> Body {
///     body
/// }
/// # let _ = echo;
/// ```
#[derive(Default)]
pub struct Body(Repr);

#[derive(Default)]
enum Repr {
    #[default]
    Empty,
    Full(Bytes),
    // The mutex is never locked, only borrowed through `get_mut`: it makes `Body`, and so `&Request`,
    // shareable.
    Stream(Mutex<BoxStream>),
}

impl Body {
    /// Returns a body without bytes.
    pub const fn empty() -> Body {
        Body(Repr::Empty)
    }

    /// Wraps any `http_body::Body`. A body that has already ended becomes the empty body.
    pub fn new<B>(body: B) -> Body
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let mut body = Some(body);
        // Layers pass on bodies of any type. A `Body` is returned as it is: a box around it would hide that
        // it is whole.
        if let Some(ours) = (&mut body as &mut dyn Any).downcast_mut::<Option<Body>>() {
            return ours.take().unwrap_or_default();
        }
        let Some(body) = body.filter(|body| !body.is_end_stream()) else { return Body::empty() };
        Body(Repr::Stream(Mutex::new(Box::pin(BoxedErrors { body }))))
    }

    /// Returns the bytes if the body is whole, or `None` if it is a stream.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match &self.0 {
            Repr::Empty => Some(&[]),
            Repr::Full(bytes) => Some(bytes),
            Repr::Stream(_) => None,
        }
    }

    /// Returns the bytes if the body is whole, or the body itself if it is a stream.
    pub fn into_bytes(self) -> Result<Bytes, Body> {
        match self.0 {
            Repr::Empty => Ok(Bytes::new()),
            Repr::Full(bytes) => Ok(bytes),
            Repr::Stream(_) => Err(self),
        }
    }

    /// Returns the bytes without a copy, or no bytes if the body is a stream.
    pub(crate) fn shared_bytes(&self) -> Bytes {
        match &self.0 {
            Repr::Full(bytes) => bytes.clone(),
            Repr::Empty | Repr::Stream(_) => Bytes::new(),
        }
    }

    /// Waits for the next piece of the body, without its trailers. Returns `None` at the end.
    ///
    /// ```
    /// # use pixie_core::{Body, Error, abort};
    /// async fn count(mut body: Body) -> Result<String, Error> {
    ///     let mut bytes = 0;
    ///     while let Some(data) = body.next_data().await {
    ///         bytes += data.map_err(|_| abort(400))?.len();
    ///     }
    ///     Ok(bytes.to_string())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the client breaks the body off or stops sending, or if the body exceeds the route's limit.
    pub async fn next_data(&mut self) -> Option<Result<Bytes, BoxError>> {
        poll_fn(|cx| self.poll_data(cx)).await
    }

    /// Polls for what [`next_data`](Body::next_data) waits for, for code that is not async.
    pub fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BoxError>>> {
        loop {
            match ready!(Pin::new(&mut *self).poll_frame(cx)).map(|frame| frame.map(Frame::into_data)) {
                None => return Poll::Ready(None),
                Some(Ok(Ok(data))) => return Poll::Ready(Some(Ok(data))),
                Some(Ok(Err(_trailers))) => {}
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            }
        }
    }

    /// Returns whether the body is whole and has no bytes.
    pub fn is_empty(&self) -> bool {
        matches!(self.as_bytes(), Some([]))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.0 {
            Repr::Empty => Poll::Ready(None),
            Repr::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                self.0 = Repr::Empty;
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Repr::Stream(stream) => stream.get_mut().unwrap_or_else(PoisonError::into_inner).as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Repr::Empty => SizeHint::with_exact(0),
            Repr::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Repr::Stream(stream) => match stream.try_lock() {
                Ok(stream) => stream.size_hint(),
                Err(_) => SizeHint::default(),
            },
        }
    }
}

pin_project! {
    /// A stream of any type, with the errors of a `Body`.
    struct BoxedErrors<B> {
        #[pin]
        body: B,
    }
}

impl<B: HttpBody<Data = Bytes, Error: Into<BoxError>>> HttpBody for BoxedErrors<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.project().body.poll_frame(cx).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

macro_rules! whole_body {
    ($($bytes:ty),*) => {$(
        impl From<$bytes> for Body {
            fn from(bytes: $bytes) -> Body {
                Body(Repr::Full(bytes.into()))
            }
        }
    )*};
}

whole_body!(Bytes, String, Vec<u8>, &'static str, &'static [u8]);

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.as_bytes() {
            Some(bytes) => write!(f, "Body({} bytes)", bytes.len()),
            None => f.write_str("Body(stream)"),
        }
    }
}
