//! Speaking TLS through a shared library of the system, as a program that is linked to it does.
//!
//! For a process that stands in the subject's place: what is watched at a library's boundary can be
//! shown to be watched only by somebody who crosses that boundary. The library is the world's own,
//! found by its path, so nothing is linked.
//!
//! Loading a library runs its code in this process. It comes from the same root as the dynamic
//! loader and the C library by which this very process runs, so nothing is trusted that was not
//! trusted before; all the same, only a process that has nothing to lose should do it.

use std::ffi::{CStr, CString, c_char, c_int, c_long, c_uint, c_void};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Sends `request` to the server at the other end of `socket`, which is connected and has its time
/// limits, and returns the beginning of the answer. Certificates are not verified.
///
/// `library` is a path to a `libssl.so` (OpenSSL ≥ 1.1.0) or `libgnutls.so` (GnuTLS ≥ 3.1.9).
///
/// # Errors
/// What of it could not be done, in words.
pub fn exchange(
    library: &Path,
    socket: impl AsFd,
    server_name: &str,
    request: &[u8],
) -> io::Result<Vec<u8>> {
    let socket = socket.as_fd().as_raw_fd();
    let server_name = CString::new(server_name).map_err(io::Error::other)?;
    let is_gnutls = library.file_name().is_some_and(|name| name.as_bytes().starts_with(b"libgnu"));
    let library = Library::open(library)?;
    if is_gnutls {
        Gnutls::of(&library)?.exchange(socket, &server_name, request)
    } else {
        Openssl::of(&library)?.exchange(socket, &server_name, request)
    }
}

/// A loaded library. It is never unloaded: both register functions for the end of the process.
struct Library(*mut c_void);

impl Library {
    fn open(path: &Path) -> io::Result<Self> {
        let name = CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other)?;
        // SAFETY: the name ends with a zero; for the library's own code see the head of this file.
        let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        if handle.is_null() { Err(failed("dlopen")) } else { Ok(Self(handle)) }
    }

    /// A function as a pointer of the type `F`.
    ///
    /// # Safety
    /// `F` is the type of a C function of this name, as the library's manual declares it.
    unsafe fn function<F: Copy>(&self, name: &CStr) -> io::Result<F> {
        const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
        // SAFETY: the handle came from `dlopen` and is never closed.
        let address = unsafe { libc::dlsym(self.0, name.as_ptr()) };
        if address.is_null() {
            return Err(io::Error::other(format!("the library has no {name:?}")));
        }
        // SAFETY: the address is that of a function (POSIX makes such pointers convertible), and
        // the caller answers for its type; sizes are compared above.
        Ok(unsafe { std::mem::transmute_copy::<*mut c_void, F>(&address) })
    }
}

type Make = unsafe extern "C" fn(*mut c_void) -> *mut c_void;
type Act = unsafe extern "C" fn(*mut c_void) -> c_int;

/// Functions of OpenSSL, each as its manual page in section 3ssl declares it.
struct Openssl {
    method: unsafe extern "C" fn() -> *const c_void,
    new_context: unsafe extern "C" fn(*const c_void) -> *mut c_void,
    new: Make,
    set_descriptor: unsafe extern "C" fn(*mut c_void, c_int) -> c_int,
    control: unsafe extern "C" fn(*mut c_void, c_int, c_long, *mut c_void) -> c_long,
    connect: Act,
    write: unsafe extern "C" fn(*mut c_void, *const c_void, c_int) -> c_int,
    read: unsafe extern "C" fn(*mut c_void, *mut c_void, c_int) -> c_int,
    shutdown: Act,
}

impl Openssl {
    fn of(library: &Library) -> io::Result<Self> {
        // SAFETY: SSL_CTX_new(3ssl), SSL_new(3ssl), SSL_set_fd(3ssl), SSL_ctrl(3ssl),
        // SSL_connect(3ssl), SSL_write(3ssl), SSL_read(3ssl) and SSL_shutdown(3ssl) give the types.
        unsafe {
            Ok(Self {
                method: library.function(c"TLS_client_method")?,
                new_context: library.function(c"SSL_CTX_new")?,
                new: library.function(c"SSL_new")?,
                set_descriptor: library.function(c"SSL_set_fd")?,
                control: library.function(c"SSL_ctrl")?,
                connect: library.function(c"SSL_connect")?,
                write: library.function(c"SSL_write")?,
                read: library.function(c"SSL_read")?,
                shutdown: library.function(c"SSL_shutdown")?,
            })
        }
    }

    /// Context and connection are left to the end of the process.
    fn exchange(&self, socket: c_int, server_name: &CStr, request: &[u8]) -> io::Result<Vec<u8>> {
        let length = c_int::try_from(request.len()).map_err(io::Error::other)?;
        let mut answer = vec![0_u8; ANSWER_BYTES];
        // SAFETY: context and connection are checked for null and live to the end; name, request
        // and answer outlive the calls, which get their true lengths.
        unsafe {
            let context = made((self.new_context)((self.method)()), "SSL_CTX_new")?;
            let connection = made((self.new)(context), "SSL_new")?;
            done((self.set_descriptor)(connection, socket) == 1, "SSL_set_fd")?;
            let name = server_name.as_ptr().cast_mut().cast();
            let named = (self.control)(connection, SET_TLSEXT_HOSTNAME, 0, name);
            done(named == 1, "SSL_set_tlsext_host_name")?;
            done((self.connect)(connection) == 1, "SSL_connect")?;
            let sent = (self.write)(connection, request.as_ptr().cast(), length);
            done(sent == length, "SSL_write")?;
            let got = (self.read)(connection, answer.as_mut_ptr().cast(), ANSWER_LENGTH);
            answer.truncate(usize::try_from(got).map_err(|_| failed("SSL_read"))?);
            (self.shutdown)(connection);
        }
        Ok(answer)
    }
}

/// Functions of GnuTLS, each as its manual declares it.
struct Gnutls {
    credentials: unsafe extern "C" fn(*mut *mut c_void) -> c_int,
    new: unsafe extern "C" fn(*mut *mut c_void, c_uint) -> c_int,
    set_priority: Act,
    set_credentials: unsafe extern "C" fn(*mut c_void, c_int, *mut c_void) -> c_int,
    set_name: unsafe extern "C" fn(*mut c_void, c_int, *const c_void, usize) -> c_int,
    set_descriptors: unsafe extern "C" fn(*mut c_void, c_int, c_int),
    handshake: Act,
    send: unsafe extern "C" fn(*mut c_void, *const c_void, usize) -> isize,
    receive: unsafe extern "C" fn(*mut c_void, *mut c_void, usize) -> isize,
    bye: unsafe extern "C" fn(*mut c_void, c_int) -> c_int,
}

impl Gnutls {
    fn of(library: &Library) -> io::Result<Self> {
        // SAFETY: the types are those of gnutls/gnutls.h, unchanged since 3.1.9.
        unsafe {
            Ok(Self {
                credentials: library.function(c"gnutls_certificate_allocate_credentials")?,
                new: library.function(c"gnutls_init")?,
                set_priority: library.function(c"gnutls_set_default_priority")?,
                set_credentials: library.function(c"gnutls_credentials_set")?,
                set_name: library.function(c"gnutls_server_name_set")?,
                set_descriptors: library.function(c"gnutls_transport_set_int2")?,
                handshake: library.function(c"gnutls_handshake")?,
                send: library.function(c"gnutls_record_send")?,
                receive: library.function(c"gnutls_record_recv")?,
                bye: library.function(c"gnutls_bye")?,
            })
        }
    }

    /// Credentials and session are left to the end of the process.
    fn exchange(&self, socket: c_int, server_name: &CStr, request: &[u8]) -> io::Result<Vec<u8>> {
        let (mut credentials, mut session) = (std::ptr::null_mut(), std::ptr::null_mut());
        let mut answer = vec![0_u8; ANSWER_BYTES];
        // SAFETY: credentials and session are set where the calls that make them return 0, and live
        // to the end; name, request and answer outlive the calls, which get their true lengths.
        unsafe {
            let allocated = (self.credentials)(&raw mut credentials);
            done(allocated == 0, "gnutls_certificate_allocate_credentials")?;
            done((self.new)(&raw mut session, GNUTLS_CLIENT) == 0, "gnutls_init")?;
            done((self.set_priority)(session) == 0, "gnutls_set_default_priority")?;
            let set = (self.set_credentials)(session, GNUTLS_CRD_CERTIFICATE, credentials);
            done(set == 0, "gnutls_credentials_set")?;
            let (name, length) = (server_name.as_ptr().cast(), server_name.count_bytes());
            let named = (self.set_name)(session, GNUTLS_NAME_DNS, name, length);
            done(named == 0, "gnutls_server_name_set")?;
            (self.set_descriptors)(session, socket, socket);
            done((self.handshake)(session) == 0, "gnutls_handshake")?;
            let sent = (self.send)(session, request.as_ptr().cast(), request.len());
            done(usize::try_from(sent) == Ok(request.len()), "gnutls_record_send")?;
            let got = self.receive(session, &mut answer)?;
            answer.truncate(got);
            (self.bye)(session, GNUTLS_SHUT_WR);
        }
        Ok(answer)
    }

    /// TLS 1.3 brings tickets at any time, for which the call asks to be made again.
    ///
    /// # Safety
    /// The session lives.
    unsafe fn receive(&self, session: *mut c_void, answer: &mut [u8]) -> io::Result<usize> {
        for _ in 0..MAX_AGAIN {
            // SAFETY: the caller answers for the session; the buffer has this length.
            let got = unsafe { (self.receive)(session, answer.as_mut_ptr().cast(), answer.len()) };
            if got != GNUTLS_E_AGAIN {
                return usize::try_from(got).map_err(|_| failed("gnutls_record_recv"));
            }
        }
        Err(failed("gnutls_record_recv"))
    }
}

fn made(pointer: *mut c_void, call: &str) -> io::Result<*mut c_void> {
    if pointer.is_null() { Err(failed(call)) } else { Ok(pointer) }
}

fn done(well: bool, call: &str) -> io::Result<()> {
    if well { Ok(()) } else { Err(failed(call)) }
}

fn failed(call: &str) -> io::Error {
    // SAFETY: dlerror(3) returns null or a string that lives until the next such call of this
    // thread.
    let text: *mut c_char = unsafe { libc::dlerror() };
    if text.is_null() {
        return io::Error::other(format!("{call} failed"));
    }
    // SAFETY: as above; it ends with a zero.
    let text = unsafe { CStr::from_ptr(text) };
    io::Error::other(format!("{call}: {}", text.to_string_lossy()))
}

const ANSWER_BYTES: usize = 4096;
const ANSWER_LENGTH: c_int = 4096;
/// `SSL_CTRL_SET_TLSEXT_HOSTNAME`, openssl/tls1.h.
const SET_TLSEXT_HOSTNAME: c_int = 55;
/// Names of gnutls/gnutls.h.
const GNUTLS_CLIENT: c_uint = 1 << 1;
const GNUTLS_CRD_CERTIFICATE: c_int = 1;
const GNUTLS_NAME_DNS: c_int = 1;
const GNUTLS_SHUT_WR: c_int = 1;
const GNUTLS_E_AGAIN: isize = -28;
/// Tickets are few; each costs a call.
const MAX_AGAIN: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_is_not_there_is_named() {
        let socket = std::fs::File::open("/dev/null").unwrap();
        let error = exchange(Path::new("/nowhere/libssl.so.3"), &socket, "a.example", b"x");
        assert!(error.unwrap_err().to_string().contains("/nowhere/libssl.so.3"));
    }

    #[test]
    fn a_library_of_another_kind_is_refused() {
        let socket = std::fs::File::open("/dev/null").unwrap();
        let error = exchange(Path::new("libc.so.6"), &socket, "a.example", b"x").unwrap_err();
        assert!(error.to_string().contains("TLS_client_method"), "{error}");
    }
}
