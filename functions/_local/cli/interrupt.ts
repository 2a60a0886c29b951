/**
 * A signal that is aborted by the first Ctrl-C or SIGTERM. The second one ends the process as it always would.
 * @param onFirst what to say or do at once
 */
export function interruption(onFirst: () => void = () => {}): AbortSignal {
  const controller = new AbortController();
  const stop = () => {
    process.removeListener('SIGINT', stop).removeListener('SIGTERM', stop);
    controller.abort();
    onFirst();
  };
  process.on('SIGINT', stop).on('SIGTERM', stop);
  return controller.signal;
}
