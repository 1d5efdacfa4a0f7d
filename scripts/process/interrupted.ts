/** Ctrl-C and kill as an AbortSignal, for scripts that wait for tools. */

/** Aborts on SIGINT, SIGTERM or SIGHUP; the process then exits on its own, with 130, once its tools have. */
export function interrupted(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      process.exitCode = 130;
      controller.abort(new Error(`ended by ${signal}`));
    });
  }
  return controller.signal;
}
