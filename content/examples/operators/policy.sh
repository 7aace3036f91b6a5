kubectl create namespace strict
kubectl label namespace strict images=ours
kubectl apply -f policy/policy.yaml
until ! kubectl -n strict create deployment probe --image=x --dry-run=server -o name >/dev/null 2>&1; do sleep 0.2; done
kubectl -n strict create deployment a --image=docker.io/library/nginx:latest
kubectl -n strict create deployment b --image=my-registry.corp/mq:v1.4.0 --replicas=11
kubectl -n strict create deployment c --image=my-registry.corp/mq:v1.4.0 --replicas=10
kubectl delete -f policy/policy.yaml
kubectl delete namespace strict --wait=false
