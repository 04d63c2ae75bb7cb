from tests.support.brokers import RabbitMQ, Redis


def test_brokers_start_again_where_they_were(redis: Redis, rabbitmq: RabbitMQ) -> None:
    """A broker that a test stopped answers on the same port when it is started again."""
    for broker in (redis, rabbitmq):
        url = broker.url
        broker.stop(hard=True)
        broker.start()
        assert broker.url == url
        assert broker.pid > 0
