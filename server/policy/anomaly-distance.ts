/** How far apart two places are at least, as far as databases know. Pure. */
import type { Place } from '../core/place.ts'

const EARTH_RADIUS_KM = 6371
/** Databases with coordinates but without their accuracy know the city. */
const ACCURACY_KM = 50

const radians = (degrees: number): number => (degrees * Math.PI) / 180

export interface Spot {
  readonly latitude: number
  readonly longitude: number
}

/** Great-circle distance in km, by the haversine formula: right across the date line and at the poles too. */
export function greatCircleKm(from: Spot, to: Spot): number {
  const across = Math.sin(radians(to.longitude - from.longitude) / 2)
  const along = Math.sin(radians(to.latitude - from.latitude) / 2)
  const h =
    along ** 2 + Math.cos(radians(from.latitude)) * Math.cos(radians(to.latitude)) * across ** 2
  // Rounding can carry antipodes a hair over 1.
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.min(1, Math.sqrt(h)))
}

const spotOf = ({ latitude, longitude }: Place): Spot | undefined =>
  latitude === undefined || longitude === undefined ? undefined : { latitude, longitude }

/** The shortest way between two places, in km: from rim to rim of their accuracy. Undefined without coordinates. */
export function leastDistanceKm(from: Place, to: Place): number | undefined {
  const [a, b] = [spotOf(from), spotOf(to)]
  if (a === undefined || b === undefined) return undefined
  const slack = (from.accuracyKm ?? ACCURACY_KM) + (to.accuracyKm ?? ACCURACY_KM)
  return Math.max(0, greatCircleKm(a, b) - slack)
}
