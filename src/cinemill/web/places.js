// Event streams that all tabs of a browser may have open together. Browsers open six connections to a
// host over HTTP/1.1, for all their tabs: a stream for each job of each tab would leave none to load
// a page with.

const PLACES = ["cinemill-event-stream-1", "cinemill-event-stream-2"];

// Resolves to a function that gives the place back, or to null while all are taken. The browser gives
// back those of a tab that is closed. Without locks, which pages over plain HTTP lack unless they are
// local, there are no places, since nobody can know how many the other tabs have.
export async function takePlace() {
  for (const name of navigator.locks ? PLACES : []) {
    const giveBack = await takeLock(name);
    if (giveBack) return giveBack;
  }
  return null;
}

function takeLock(name) {
  return new Promise((resolve) => {
    const isFree = (lock) => new Promise((giveBack) => {
      if (!lock) giveBack();
      resolve(lock && giveBack);
    });
    navigator.locks.request(name, { ifAvailable: true }, isFree).catch(() => resolve(null));
  });
}
