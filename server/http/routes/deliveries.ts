/** One delivery: its history, and why it is where it is. */
import { principalOf } from '../auth.ts'
import type { HttpDeps } from '../deps.ts'
import type { HttpApp } from '../http-app.ts'
import { found, idOf } from '../ids.ts'
import { Explanation, explanationView } from '../schemas/explanation.ts'
import { DeliveryDetail } from '../schemas/output.ts'
import { DeliveryParams } from '../schemas/query.ts'
import { deliveryViews, messageView } from '../views.ts'

export function deliveryRoutes(app: HttpApp, { reader, explain }: HttpDeps): void {
  app.get(
    '/v1/deliveries/:id',
    {
      config: { permission: 'messages:read' },
      schema: {
        operationId: 'getDelivery',
        tags: ['Deliveries'],
        summary: 'Get a delivery',
        description: 'One message to one recipient, with every attempt and event.',
        params: DeliveryParams,
        response: { 200: DeliveryDetail },
      },
    },
    async (request) => {
      const id = idOf('delivery', request.params.id)
      const detail = found(await reader.delivery(principalOf(request).tenant, id))
      return { ...found(deliveryViews(detail)[0]), message: messageView(detail.message) }
    },
  )

  app.get(
    '/v1/deliveries/:id/explain',
    {
      config: { permission: 'messages:read' },
      schema: {
        operationId: 'explainDelivery',
        tags: ['Deliveries'],
        summary: 'Explain a delivery',
        description:
          'Why it is where it is: the route and lane it goes by, the limits in force and who set them, and when it is tried next.',
        params: DeliveryParams,
        response: { 200: Explanation },
      },
    },
    async (request) => {
      const id = idOf('delivery', request.params.id)
      return explanationView(found(await explain(principalOf(request).tenant, id)))
    },
  )
}
