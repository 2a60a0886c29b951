/** A promise that a scenario saw broken, unlike a test that could not run. */
export class Breach extends Error {
  override readonly name = 'Breach';
}
