// What the driver of image rows is given where nothing is remembered of images and no registry wants
// a login; a test puts in what it is about.

import type { Behaviour, ImageOptions } from '../../agent/drivers/image.ts'

export const noImages = (behaviour: Behaviour): Omit<ImageOptions, 'docker'> => ({
  behaviour,
  registries: { authOf: async () => undefined, refused: () => {}, userOf: () => '' },
  images: { pulled: () => {}, used: () => {}, has: () => false },
  whenKept: async () => {},
  onPull: () => {},
})
