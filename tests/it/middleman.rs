//! A middleman between two ends of TCP: passes bytes on, late, in pieces, not at all, or only so
//! many of them.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossguard::clock::Clock;

/// How it treats what passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// As it came.
    Honest,
    /// One byte at a time.
    Slices,
    /// As it came, so much later.
    Late(Duration),
    /// Accepted and kept: no byte passes, no end is told.
    BlackHole,
    /// So many bytes per connection and direction, then the connection is cut.
    Until(usize),
}

/// How often a waiting pump looks around.
const LOOK: Duration = Duration::from_millis(5);

struct Shared {
    mood: Mutex<Mood>,
    /// Connections made before this count was raised are cut.
    cuts: AtomicU64,
    over: AtomicBool,
}

impl Shared {
    fn mood(&self) -> Mood {
        *self.mood.lock().unwrap()
    }
}

/// A running middleman; its end cuts everything.
pub(crate) struct Middleman {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Middleman {
    /// Listens on a port of its own and passes on to this address.
    pub(crate) fn before(end: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            mood: Mutex::new(Mood::Honest),
            cuts: AtomicU64::new(0),
            over: AtomicBool::new(false),
        });
        let of_thread = shared.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if of_thread.over.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(far) = TcpStream::connect(end) else {
                    continue;
                };
                link(&of_thread, &near, &far);
            }
        });
        Self { address, shared }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn be(&self, mood: Mood) {
        *self.shared.mood.lock().unwrap() = mood;
    }

    /// Ends every connection there is.
    pub(crate) fn cut(&self) {
        self.shared.cuts.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Middleman {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        self.cut();
        drop(TcpStream::connect(self.address));
    }
}

/// Pumps both ways until either end has had enough.
fn link(shared: &Arc<Shared>, near: &TcpStream, far: &TcpStream) {
    let cuts = shared.cuts.load(Ordering::SeqCst);
    for (from, to) in [(near, far), (far, near)] {
        let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else {
            return;
        };
        let pump = Pump {
            shared: shared.clone(),
            cuts,
            from,
            to,
            waiting: VecDeque::new(),
            passed: 0,
        };
        std::thread::spawn(move || pump.run());
    }
}

/// One direction of one connection.
struct Pump {
    shared: Arc<Shared>,
    cuts: u64,
    from: TcpStream,
    to: TcpStream,
    /// Bytes with the moment they came, in milliseconds.
    waiting: VecDeque<(i64, Vec<u8>)>,
    passed: usize,
}

impl Pump {
    fn run(mut self) {
        drop(self.pass());
        // Whoever is left hears of it, and so does the pump of the other direction.
        drop(self.from.shutdown(Shutdown::Both));
        drop(self.to.shutdown(Shutdown::Both));
    }

    fn pass(&mut self) -> io::Result<()> {
        self.from.set_read_timeout(Some(LOOK))?;
        self.to.set_nodelay(true)?;
        let clock = Clock::machine();
        let mut buffer = [0; 16 * 1024];
        let mut is_ended = false;
        loop {
            if self.shared.cuts.load(Ordering::SeqCst) != self.cuts {
                return Ok(());
            }
            let mood = self.shared.mood();
            if mood == Mood::BlackHole {
                std::thread::sleep(LOOK);
                continue;
            }
            let now_ms = clock.now().boot_us / 1_000;
            if is_ended {
                if self.waiting.is_empty() {
                    return Ok(());
                }
                std::thread::sleep(LOOK);
            } else {
                match self.from.read(&mut buffer) {
                    Ok(0) => is_ended = true,
                    Ok(read) => self.waiting.push_back((now_ms, buffer[..read].to_vec())),
                    Err(error) if is_nothing_yet(&error) => {}
                    Err(error) => return Err(error),
                }
            }
            self.send_due(mood, clock.now().boot_us / 1_000)?;
        }
    }

    fn send_due(&mut self, mood: Mood, now_ms: i64) -> io::Result<()> {
        let late_ms = match mood {
            Mood::Late(by) => i64::try_from(by.as_millis()).unwrap(),
            _ => 0,
        };
        while let Some((came_ms, bytes)) = self.waiting.front() {
            if now_ms - came_ms < late_ms {
                return Ok(());
            }
            match mood {
                Mood::Slices => {
                    for byte in bytes {
                        self.to.write_all(&[*byte])?;
                    }
                }
                Mood::Until(most) => {
                    let left = most.saturating_sub(self.passed).min(bytes.len());
                    self.to.write_all(&bytes[..left])?;
                    if left < bytes.len() {
                        return Err(io::ErrorKind::ConnectionAborted.into());
                    }
                }
                Mood::Honest | Mood::Late(_) | Mood::BlackHole => self.to.write_all(bytes)?,
            }
            self.passed += bytes.len();
            self.waiting.pop_front();
        }
        Ok(())
    }
}

fn is_nothing_yet(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut | Interrupted)
}
