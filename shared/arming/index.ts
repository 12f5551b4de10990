export { type Armed, type ArmerDeps, createArmer, type OneShot, type SweptJob } from './armer.ts'
export { type Arming, fruitlessOf } from './arming.ts'
export { type Armings, createArmings } from './armings.ts'
