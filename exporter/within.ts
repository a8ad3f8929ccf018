/**
 * The outcome of some work, if it comes in time; the work itself goes on.
 *
 * @param late makes the error for when it does not
 */
export async function within<T>(work: Promise<T>, seconds: number, late: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const end = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(late());
    }, seconds * 1000);
  });
  return Promise.race([work, end]).finally(() => {
    clearTimeout(timer);
  });
}
