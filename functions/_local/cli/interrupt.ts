/**
 * A signal that is aborted by the first Ctrl-C or SIGTERM; a second one ends the process at once, as if nobody listened.
 * @param onFirst what to say or do
 */
export function interruption(onFirst: () => void = () => {}): AbortSignal {
  const controller = new AbortController();
  const onSignal = (signal: NodeJS.Signals) => {
    if (controller.signal.aborted) {
      // Not process.exit, which would wait for native code in other threads.
      process.removeAllListeners(signal);
      process.kill(process.pid, signal);
      return;
    }
    controller.abort();
    onFirst();
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  return controller.signal;
}
