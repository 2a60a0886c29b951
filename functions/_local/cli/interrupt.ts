/**
 * A signal that is aborted by the first Ctrl-C or SIGTERM; a second one ends the process at once.
 * @param onFirst what to say or do
 */
export function interruption(onFirst: () => void = () => {}): AbortSignal {
  const controller = new AbortController();
  const onSignal = (signal: NodeJS.Signals) => {
    if (controller.signal.aborted) process.exit(signal === 'SIGINT' ? 130 : 143);
    controller.abort();
    onFirst();
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  return controller.signal;
}
